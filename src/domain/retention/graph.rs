//! A repository as retention sees it: tags, manifests, and what refers to what.

use crate::domain::{Digest, Tag};

/// A repository. Manifests are known by their place in the list, which is the order in which they were first pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryGraph {
    /// Its tags.
    pub tags: Vec<TagNode>,
    /// Its manifests.
    pub manifests: Vec<ManifestNode>,
    /// Whether all of it is held.
    pub is_held: bool,
}

/// A tag. Times are in seconds since the Unix epoch; those of a push are 0 where they are unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagNode {
    /// Its name.
    pub tag: Tag,
    /// The manifest that it points to.
    pub manifest: usize,
    /// When it was last moved there.
    pub pushed_at: i64,
    /// When it was last pulled by this name.
    pub pulled_at: Option<i64>,
    /// Whether it is held.
    pub is_held: bool,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestNode {
    /// Its digest.
    pub digest: Digest,
    /// The manifests that it lists, of those that are in the repository.
    pub children: Vec<usize>,
    /// The manifest that it refers to, where that is in the repository.
    pub subject: Option<usize>,
    /// Whether a tag in the trash points to it.
    pub is_in_trash: bool,
    /// Whether it is a signature.
    pub is_signature: bool,
    /// When it was last pushed.
    pub pushed_at: i64,
    /// When it was last pulled by its digest, or by a tag.
    pub pulled_at: Option<i64>,
}

/// Types of artifacts that are signatures: of cosign, sigstore's bundles, and Notary Project.
pub fn is_signature(artifact_type: &str) -> bool {
    let artifact_type = artifact_type.to_ascii_lowercase();
    artifact_type.starts_with("application/vnd.dev.sigstore.bundle")
        || artifact_type == "application/vnd.dev.cosign.artifact.sig.v1+json"
        || artifact_type == "application/vnd.dev.cosign.simplesigning.v1+json"
        || artifact_type == "application/vnd.cncf.notary.signature"
}

/// A tag whose name says which manifest it belongs to: `sha256-HEX`, with or without an ending such as `.sig`. Clients make these for
/// registries without referrers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attached<'t> {
    /// The digest, with a dash for its colon.
    pub(super) subject: &'t str,
    /// Whether it is a signature.
    pub(super) is_signature: bool,
}

impl<'t> Attached<'t> {
    pub(super) fn of(tag: &'t Tag) -> Option<Self> {
        let (subject, ending) = tag.as_str().split_once('.').unwrap_or((tag.as_str(), ""));
        let (algorithm, hex) = subject.split_once('-')?;
        let is_digest = format!("{algorithm}:{hex}").parse::<Digest>().is_ok();
        is_digest.then_some(Self { subject, is_signature: ending == "sig" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_signatures_name_their_subject() {
        let hex = "ab".repeat(32);
        let tag = |text: String| text.parse::<Tag>().expect("a tag");
        let signature = tag(format!("sha256-{hex}.sig"));
        let attached = Attached::of(&signature).expect("attached");
        assert_eq!((attached.subject, attached.is_signature), (format!("sha256-{hex}").as_str(), true));
        assert!(Attached::of(&tag(format!("sha256-{hex}"))).is_some_and(|attached| !attached.is_signature));
        for other in ["v1.0".to_owned(), "sha256-abc.sig".to_owned(), format!("md5-{hex}")] {
            assert_eq!(Attached::of(&tag(other)), None);
        }
    }

    #[test]
    fn signatures_are_known_by_their_type() {
        for artifact_type in [
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            "application/vnd.dev.cosign.artifact.sig.v1+json",
            "application/vnd.cncf.notary.signature",
        ] {
            assert!(is_signature(artifact_type), "{artifact_type}");
        }
        assert!(!is_signature("application/spdx+json"));
    }
}
