//! Rows of all cells of a table, as they come.
//!
//! Neighbouring rows belong to different cells. To take each to its cell at once is to touch another
//! place in memory for every row; so rows are noted one behind the other and dealt to their cells many at a
//! time, in the order of the cells.

use super::cell_buffer::CellBuffer;

/// Rows that are dealt at once, where a table has no more cells: few enough to stay in the processor's cache.
const ROWS: usize = 1 << 17;

/// Rows that have not been dealt yet.
#[derive(Debug, Default)]
pub(crate) struct RowLog {
    /// Of every row the cell.
    cells: Vec<u32>,
    /// Of every row `stride` words, as [`CellBuffer::extend`] takes them.
    words: Vec<u64>,
    stride: usize,
    /// The words in the order of their cells, and where the next row of every cell goes.
    sorted: Vec<u64>,
    next: Vec<usize>,
}

/// A row of a cell that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchCell;

impl RowLog {
    /// Rows of `stride` words.
    pub(crate) fn new(stride: usize) -> Self {
        Self { stride, ..Self::default() }
    }

    /// Notes rows: their cells, their first words, and how to fill each further column of words.
    pub(crate) fn extend(&mut self, cells: &[usize], heads: impl Iterator<Item = u64>, values: &[impl FillWords]) {
        // No table may have so many cells; one that had would have no cell of this number.
        self.cells.extend(cells.iter().map(|cell| u32::try_from(*cell).unwrap_or(u32::MAX)));
        let start = self.words.len();
        self.words.resize(start + cells.len() * self.stride, 0);
        let fresh = self.words.get_mut(start..).unwrap_or_default();
        fresh.iter_mut().step_by(self.stride.max(1)).zip(heads).for_each(|(word, head)| *word = head);
        for (column, values) in (1..).zip(values) {
            values.fill(fresh.iter_mut().skip(column).step_by(self.stride.max(1)));
        }
    }

    /// Notes one row.
    pub(crate) fn push(&mut self, cell: usize, head: u64, values: impl Iterator<Item = u64>) {
        self.cells.push(u32::try_from(cell).unwrap_or(u32::MAX));
        self.words.push(head);
        self.words.extend(values);
    }

    /// Whether to deal now, with so many cells.
    pub(crate) fn is_full(&self, cells: usize) -> bool {
        self.cells.len() >= ROWS.max(cells)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * 4 + (self.words.capacity() + self.sorted.capacity() + self.next.capacity()) * 8
    }

    /// Deals all rows to their cells; every cell gets its rows in the order in which they came.
    pub(crate) fn deal(&mut self, cells: &mut [CellBuffer]) -> Result<(), NoSuchCell> {
        if let [cell] = cells {
            self.cells.iter().all(|cell| *cell == 0).then_some(()).ok_or(NoSuchCell)?;
            cell.extend(&self.words, self.stride);
        } else {
            self.sort(cells.len()).ok_or(NoSuchCell)?;
            let mut start = 0;
            for (cell, end) in cells.iter_mut().zip(&self.next) {
                let end = end * self.stride;
                if start < end {
                    cell.extend(self.sorted.get(start..end).ok_or(NoSuchCell)?, self.stride);
                }
                start = end;
            }
        }
        self.cells.clear();
        self.words.clear();
        Ok(())
    }

    /// Sorts the words by cell, stably; afterwards `next` is where each cell's rows end.
    fn sort(&mut self, cells: usize) -> Option<()> {
        self.next.clear();
        self.next.resize(cells, 0);
        for cell in &self.cells {
            *self.next.get_mut(*cell as usize)? += 1;
        }
        let mut start = 0usize;
        for count in &mut self.next {
            start += std::mem::replace(count, start);
        }
        self.sorted.resize(self.words.len(), 0);
        // Nearly every query has rows of one to three words.
        match self.stride {
            1 => self.scatter::<1>(),
            2 => self.scatter::<2>(),
            3 => self.scatter::<3>(),
            stride => {
                for (cell, row) in self.cells.iter().zip(self.words.chunks_exact(stride)) {
                    let place = self.next.get_mut(*cell as usize)?;
                    self.sorted.get_mut(*place * stride..(*place + 1) * stride)?.copy_from_slice(row);
                    *place += 1;
                }
                Some(())
            }
        }
    }

    fn scatter<const STRIDE: usize>(&mut self) -> Option<()> {
        let (rows, _) = self.words.as_chunks::<STRIDE>();
        let (sorted, _) = self.sorted.as_chunks_mut::<STRIDE>();
        for (cell, row) in self.cells.iter().zip(rows) {
            let place = self.next.get_mut(*cell as usize)?;
            *sorted.get_mut(*place)? = *row;
            *place += 1;
        }
        Some(())
    }
}

/// A column of numbers that writes its bits into words.
pub(crate) trait FillWords {
    /// Writes one number after the other.
    fn fill<'a>(&self, words: impl Iterator<Item = &'a mut u64>);

    /// The bits of one number.
    fn bits(&self, row: usize) -> u64;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cell_buffer::{Adding, RowShape};
    use super::super::person_order::PersonOrder;
    use super::*;

    struct Numbers(Vec<u64>);

    impl FillWords for Numbers {
        fn fill<'a>(&self, words: impl Iterator<Item = &'a mut u64>) {
            words.zip(&self.0).for_each(|(word, number)| *word = *number);
        }

        fn bits(&self, row: usize) -> u64 {
            self.0[row]
        }
    }

    proptest! {
        #[test]
        fn every_row_comes_to_its_cell_however_many_words_it_has(
            rows in proptest::collection::vec((0usize..5, 0u32..20, 0u32..100), 0..200),
            columns in 0usize..5,
            cells in 5usize..7,
            one_by_one: bool,
        ) {
            let shape = RowShape { adding: (0..columns).map(Adding::Integers).collect(), value_columns: columns };
            let mask = (1u64 << columns) - 1;
            let head = |person: u32| u64::from(person) << 32 | mask;
            let number = |column: usize, number: u32| u64::from(number) + column as u64;
            let mut log = RowLog::new(1 + columns);
            if one_by_one {
                for (cell, person, of_row) in &rows {
                    log.push(*cell, head(*person), (0..columns).map(|column| number(column, *of_row)));
                }
            } else {
                let places: Vec<usize> = rows.iter().map(|row| row.0).collect();
                let values: Vec<Numbers> = (0..columns)
                    .map(|column| Numbers(rows.iter().map(|row| number(column, row.2)).collect()))
                    .collect();
                log.extend(&places, rows.iter().map(|row| head(row.1)), &values);
            }
            let mut buffers = vec![CellBuffer::default(); cells];
            prop_assert_eq!(log.deal(&mut buffers), Ok(()));
            prop_assert_eq!(log.deal(&mut buffers), Ok(()));
            for (cell, buffer) in buffers.into_iter().enumerate() {
                let mut alone = CellBuffer::default();
                for (_, person, of_row) in rows.iter().filter(|row| row.0 == cell) {
                    let words: Vec<u64> =
                        std::iter::once(head(*person)).chain((0..columns).map(|c| number(c, *of_row))).collect();
                    alone.extend(&words, 1 + columns);
                }
                let mut order = PersonOrder::default();
                let (dealt, alone) =
                    (buffer.finish(&shape, &mut order).unwrap(), alone.finish(&shape, &mut order).unwrap());
                prop_assert_eq!(format!("{dealt:?}"), format!("{alone:?}"));
            }
        }
    }

    #[test]
    fn a_row_of_no_cell_is_not_lost_in_silence() {
        let mut log = RowLog::new(1);
        log.push(2, 1 << 32, std::iter::empty());
        for cells in 0..3 {
            assert_eq!(log.deal(&mut vec![CellBuffer::default(); cells]), Err(NoSuchCell), "{cells}");
        }
    }
}
