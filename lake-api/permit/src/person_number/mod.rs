//! Danish person numbers: recognising them, and finding them where they must not be.
//!
//! A number is ten characters, `DDMMYY` and four more, with or without a dash between:
//!
//! | kind | form | 7th character | source |
//! |---|---|---|---|
//! | CPR | `DDMMYYSSSS` | century, by year | CPR office, "Personnummeret i CPR-systemet" |
//! | X-eCPR, national replacement number | `DDMMYYCAAG` | `1` 1900s, `7` 2000s | Danish Health Data Authority, "eCPR-formater (X-eCPR og D-eCPR)" |
//! | D-eCPR, local replacement number | `DDMMYYCAAG` | `0` 1900s, `5` 1800s, `6` 2000s | "Fællesindhold for basisregistrering af sygehuspatienter" |
//!
//! (`S` digits, `A` letters A-Z, `G` a digit; the same forms are the invariants of HL7
//! Denmark's DK Core.) A number is valid when its date exists in its century. The old
//! modulus-11 check is never required: the CPR office has issued numbers without it
//! since 2007. Nothing checks that the date has passed, because what is being guarded
//! against is a number getting out.
//!
//! `number` reads one cell that should be a number, `text` finds numbers in any text (in all `forms`, with a `gap`
//! between their parts and `machine_text` around them), and `characters` makes every writing of a digit, a dash and a space the
//! same before that.

mod characters;
mod forms;
mod gap;
mod machine_text;
mod number;
mod text;

pub use number::{PersonNumber, PersonNumberKind};
pub use text::{PersonNumberTrace, person_number_traces};
