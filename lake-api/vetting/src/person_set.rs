//! How sets of persons are written: the portable roaring format, as bytes in binary
//! formats and as base64 in text formats (JSON would spell every byte as a number).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use roaring::RoaringBitmap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of person indices that serialises compactly.
pub(crate) struct PersonSet(RoaringBitmap);

struct PersonSetRef<'a>(&'a RoaringBitmap);

impl Serialize for PersonSetRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0.serialize_into(&mut bytes).map_err(serde::ser::Error::custom)?;
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
        } else {
            serializer.serialize_bytes(&bytes)
        }
    }
}

impl<'de> Deserialize<'de> for PersonSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return RoaringBitmap::deserialize(deserializer).map(Self);
        }
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        RoaringBitmap::deserialize_from(bytes.as_slice()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// For `#[serde(with)]` on a set.
pub(crate) mod one {
    use super::{Deserialize, Deserializer, PersonSet, PersonSetRef, RoaringBitmap, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(set: &RoaringBitmap, serializer: S) -> Result<S::Ok, S::Error> {
        PersonSetRef(set).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoaringBitmap, D::Error> {
        PersonSet::deserialize(deserializer).map(|set| set.0)
    }
}

/// For `#[serde(with)]` on an optional set.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, PersonSet, PersonSetRef, RoaringBitmap, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(set: &Option<RoaringBitmap>, serializer: S) -> Result<S::Ok, S::Error> {
        set.as_ref().map(PersonSetRef).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RoaringBitmap>, D::Error> {
        Ok(Option::<PersonSet>::deserialize(deserializer)?.map(|set| set.0))
    }
}

/// For `#[serde(with)]` on a list of sets.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, PersonSet, PersonSetRef, RoaringBitmap, Serializer};

    pub(crate) fn serialize<S: Serializer>(sets: &[RoaringBitmap], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sets.iter().map(PersonSetRef))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RoaringBitmap>, D::Error> {
        Ok(Vec::<PersonSet>::deserialize(deserializer)?.into_iter().map(|set| set.0).collect())
    }
}
