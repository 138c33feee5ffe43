//! Vectors of plain numbers as serde sees them: their bytes as they lie in memory, one copy instead of a call a value.
//!
//! For what is read by the program that wrote it: between the processes of a run, and in temporary files.

use bytemuck::Pod;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Writes the bytes of the values.
pub fn serialize<T: Pod, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytemuck::cast_slice(values))
}

/// Reads values from their bytes.
pub fn deserialize<'de, T: Pod, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_bytes(Values(PhantomData))
}

struct Values<T>(PhantomData<T>);

impl<T: Pod> Visitor<'_> for Values<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "values of {} bytes each", size_of::<T>())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        if !bytes.len().is_multiple_of(size_of::<T>()) {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }
}

/// The same for booleans, a byte each.
pub mod bools {
    use serde::{Deserializer, Serializer};

    /// Writes the bytes of the values.
    pub fn serialize<S: Serializer>(values: &[bool], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytemuck::cast_slice(values))
    }

    /// Reads values from their bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<bool>, D::Error> {
        let bytes: Vec<u8> = super::deserialize(from)?;
        Ok(bytes.into_iter().map(|byte| byte != 0).collect())
    }
}

/// The same for booleans that may be missing.
pub mod mask {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Written<'a>(#[serde(serialize_with = "super::bools::serialize")] &'a [bool]);
    #[derive(Deserialize)]
    struct Read(#[serde(with = "super::bools")] Vec<bool>);

    /// Writes the bytes of the values.
    pub fn serialize<S: Serializer>(mask: &Option<Vec<bool>>, to: S) -> Result<S::Ok, S::Error> {
        mask.as_deref().map(Written).serialize(to)
    }

    /// Reads values from their bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<bool>>, D::Error> {
        Ok(Option::<Read>::deserialize(from)?.map(|read| read.0))
    }
}
