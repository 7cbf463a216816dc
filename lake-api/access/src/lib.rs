//! oscar-access
