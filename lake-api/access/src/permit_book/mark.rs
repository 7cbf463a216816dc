//! What tells that a file or folder is the one that was looked at before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// A change less than this before the reading may hide another one in the same clock tick.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes when a file is written, exchanged or given other rights, and when a folder
/// gets or loses an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the last change lies far enough back. A time in the future never does.
    pub(super) fn is_settled(&self) -> bool {
        let Ok(seconds) = u64::try_from(self.changed.0) else { return false };
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .is_ok_and(|age| age > SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_that_lies_back_is_settled() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let settled = |changed: u64| {
            let changed = (i64::try_from(changed).unwrap(), 0);
            Mark { device: 1, inode: 1, length: 1, modified: (0, 0), changed }.is_settled()
        };
        assert!(settled(now - 10));
        assert!(!settled(now));
        // A clock that went back: read until time has caught up.
        assert!(!settled(now + 3600));
    }
}
