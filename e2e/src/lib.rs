//! The end-to-end tests of OSCAR HOST. They live in `tests/it`; each is a sentence about the
//! whole system, proven with the real binaries against real peers on this machine.
