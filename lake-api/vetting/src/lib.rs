//! oscar-vetting
