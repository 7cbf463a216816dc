//! oscar-journal
