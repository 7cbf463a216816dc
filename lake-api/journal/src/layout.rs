//! Where the journal's objects lie and what their names say.

use object_store::path::Path;

/// The folder of records.
pub(crate) const JOURNAL: &str = "journal";
/// The folder of checkpoints.
pub(crate) const CHECKPOINTS: &str = "journal/checkpoints";

/// Twenty digits hold every `u64`, so that names sort like numbers.
const DIGITS: usize = 20;

/// The path of a record.
pub(crate) fn record_path(sequence: u64) -> Path {
    Path::from(format!("{JOURNAL}/{sequence:020}.json"))
}

/// The path of a checkpoint.
pub(crate) fn checkpoint_path(sequence: u64) -> Path {
    Path::from(format!("{CHECKPOINTS}/{sequence:020}.json"))
}

/// What an object below `journal/` is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A record with this sequence number.
    Record(u64),
    /// A checkpoint after this sequence number.
    Checkpoint(u64),
    /// Not the journal's.
    Foreign,
}

/// Reads an object's path, as listed.
pub(crate) fn place(path: &Path) -> Place {
    let text = path.as_ref();
    if let Some(number) = text.strip_prefix("journal/checkpoints/").and_then(number) {
        Place::Checkpoint(number)
    } else if let Some(number) = text.strip_prefix("journal/").and_then(number) {
        Place::Record(number)
    } else {
        Place::Foreign
    }
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Zero is the state before the first record: it has no object.
    digits.parse().ok().filter(|&number| plain && number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_were_written() {
        assert_eq!(place(&record_path(7)), Place::Record(7));
        assert_eq!(place(&record_path(u64::MAX)), Place::Record(u64::MAX));
        assert_eq!(place(&checkpoint_path(512)), Place::Checkpoint(512));
    }

    #[test]
    fn anything_else_is_foreign() {
        for name in [
            "journal/7.json",
            "journal/00000000000000000000.json",
            "journal/0000000000000000000a.json",
            "journal/+0000000000000000001.json",
            "journal/00000000000000000001.txt",
            "journal/99999999999999999999.json",
            "journal/other/00000000000000000001.json",
        ] {
            assert_eq!(place(&Path::from(name)), Place::Foreign, "{name}");
        }
    }
}
