//! The disclosure profiles this service knows.
//!
//! Two are built in; a directory may add others or replace them. A name that is not known
//! is an error wherever it is used: without its profile nothing is released.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oscar_permit::{DisclosureProfile, ProfileError};

const BUILT_IN: [&str; 2] =
    [include_str!("../../policies/profiles/strict.yaml"), include_str!("../../policies/profiles/sds.yaml")];

/// Why the profiles cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// A profile is not usable.
    #[error("disclosure profile {path}")]
    Profile {
        /// The file, or `built in`.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProfileError,
    },
    /// The directory or a file in it cannot be read.
    #[error("the disclosure profiles at {path} cannot be read")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file's name and the profile's name differ: which one permits mean would be a guess.
    #[error("the disclosure profile file {0} must be named after the profile it holds")]
    Name(PathBuf),
    /// A permit or contract cites a profile that nobody has defined.
    #[error("disclosure profile {0} is not known here; add its file to the profiles directory")]
    Unknown(String),
}

/// Profiles by name.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, DisclosureProfile>);

impl Profiles {
    /// The built-in profiles, and those of `directory` (`<name>.yaml`) over them.
    ///
    /// # Errors
    /// The first profile that is not usable: a service with half its rules does not start.
    pub fn load(directory: Option<&Path>) -> Result<Self, ProfilesError> {
        let mut profiles = BTreeMap::new();
        for text in BUILT_IN {
            let profile = DisclosureProfile::from_yaml(text)
                .map_err(|source| ProfilesError::Profile { path: "built in".into(), source })?;
            profiles.insert(profile.name.clone(), profile);
        }
        if let Some(directory) = directory.filter(|directory| directory.exists()) {
            for profile in read_directory(directory)? {
                profiles.insert(profile.name.clone(), profile);
            }
        }
        Ok(Self(profiles))
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// [`ProfilesError::Unknown`].
    pub fn get(&self, name: &str) -> Result<&DisclosureProfile, ProfilesError> {
        self.0.get(name).ok_or_else(|| ProfilesError::Unknown(name.to_owned()))
    }

    /// One profile at least as strict as all of `names` in every number.
    ///
    /// # Errors
    /// When a name is unknown, or no name is given.
    pub fn strictest<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<DisclosureProfile, ProfilesError> {
        let mut all = names.into_iter().map(|name| self.get(name));
        let first = all.next().ok_or_else(|| ProfilesError::Unknown("(none)".to_owned()))??.clone();
        all.try_fold(first, |strictest, profile| Ok(strictest.strictest(profile?)))
    }
}

fn read_directory(directory: &Path) -> Result<Vec<DisclosureProfile>, ProfilesError> {
    let failed = |source| ProfilesError::Read { path: directory.to_owned(), source };
    let mut profiles = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text =
            std::fs::read_to_string(&path).map_err(|source| ProfilesError::Read { path: path.clone(), source })?;
        let profile = DisclosureProfile::from_yaml(&text)
            .map_err(|source| ProfilesError::Profile { path: path.clone(), source })?;
        if path.file_stem().is_none_or(|stem| stem != profile.name.as_str()) {
            return Err(ProfilesError::Name(path));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_are_known_and_the_strictest_wins() {
        let profiles = Profiles::load(None).unwrap();
        assert_eq!(profiles.get("strict").unwrap().threshold, 10);
        assert_eq!(profiles.get("sds").unwrap().threshold, 5);
        assert_eq!(profiles.strictest(["sds", "strict"]).unwrap().threshold, 10);
    }

    #[test]
    fn an_unknown_profile_is_an_error_and_never_a_default() {
        let profiles = Profiles::load(None).unwrap();
        assert!(profiles.get("lenient").is_err());
        assert!(profiles.strictest(["strict", "lenient"]).is_err());
        assert!(profiles.strictest([]).is_err());
    }

    #[test]
    fn a_profile_below_the_hard_floor_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let weak = BUILT_IN[1].replace("threshold: 5", "threshold: 2").replace("name: sds", "name: weak");
        std::fs::write(folder.path().join("weak.yaml"), weak).unwrap();
        assert!(Profiles::load(Some(folder.path())).is_err());
    }

    #[test]
    fn a_file_named_otherwise_than_its_profile_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("other.yaml"), BUILT_IN[0]).unwrap();
        assert!(matches!(Profiles::load(Some(folder.path())), Err(ProfilesError::Name(_))));
    }
}
