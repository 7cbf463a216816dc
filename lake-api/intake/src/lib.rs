//! oscar-intake
