//! How an operator names what is in a repository: `team/app`, `team/app:v1` or `team/app@sha256:...`.

use std::fmt;
use std::str::FromStr;

use super::digest::InvalidDigest;
use super::repository_name::InvalidRepositoryName;
use super::tag::InvalidTag;
use crate::domain::{Digest, Reference, RepositoryName, Tag};

/// A repository, or one of its tags or manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag or manifest; `None`: the whole repository.
    pub reference: Option<Reference>,
}

/// Why a text is not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImageName {
    /// What precedes ':' or '@'.
    #[error(transparent)]
    Repository(#[from] InvalidRepositoryName),
    /// What follows ':'.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    /// What follows '@'.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl ImageName {
    /// The tag, if it names one.
    pub fn tag(&self) -> Option<&Tag> {
        match &self.reference {
            Some(Reference::Tag(tag)) => Some(tag),
            Some(Reference::Digest(_)) | None => None,
        }
    }

    /// The digest, if it names a manifest.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.reference {
            Some(Reference::Digest(digest)) => Some(digest),
            Some(Reference::Tag(_)) | None => None,
        }
    }
}

impl FromStr for ImageName {
    type Err = InvalidImageName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, reference) = match (text.split_once('@'), text.split_once(':')) {
            (Some((repository, digest)), _) => (repository, Some(Reference::Digest(digest.parse()?))),
            (None, Some((repository, tag))) => (repository, Some(Reference::Tag(tag.parse()?))),
            (None, None) => (text, None),
        };
        Ok(Self { repository: repository.parse()?, reference })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repository = &self.repository;
        match &self.reference {
            None => repository.fmt(f),
            Some(Reference::Tag(tag)) => write!(f, "{repository}:{tag}"),
            Some(Reference::Digest(digest)) => write!(f, "{repository}@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_a_tag_and_a_manifest_are_told_apart() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let manifest = format!("team/app@{digest}");
        for (text, tag, digest) in [
            ("team/app", None, None),
            ("team/app:v1.0", Some("v1.0"), None),
            (manifest.as_str(), None, Some(digest.as_str())),
        ] {
            let name: ImageName = text.parse().expect("a name");
            assert_eq!(name.repository.as_str(), "team/app");
            assert_eq!(name.tag().map(Tag::as_str), tag);
            assert_eq!(name.digest().map(ToString::to_string).as_deref(), digest);
            assert_eq!(name.to_string(), text);
        }
        for text in ["", "team/app:", "team/app@v1", "Team/app", ":v1", "host:5000/team/app"] {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
    }
}
