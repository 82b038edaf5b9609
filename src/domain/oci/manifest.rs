//! A manifest as the registry understands it: which kind, and what it refers to. The bytes themselves are stored as they came.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::descriptor::annotations;
use super::strict_json::{self, Shape};
use crate::domain::{Descriptor, Digest, MediaType};

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The two shapes that a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A configuration and layers.
    Image,
    /// Other manifests.
    Index,
}

/// A manifest, checked.
#[derive(Clone, Debug)]
pub struct Manifest {
    media_type: MediaType,
    kind: Kind,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    children: Vec<Descriptor>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
}

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// No JSON, a key twice, or a field of the wrong kind.
    #[error("the manifest is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither header nor body say what it is.
    #[error("the manifest has no media type: send it as Content-Type or in the field 'mediaType'")]
    NoMediaType,
    /// Header and body disagree.
    #[error("the Content-Type is '{header}', but the manifest's mediaType is '{body}'")]
    MediaTypeMismatch {
        /// From the Content-Type header.
        header: MediaType,
        /// From the field.
        body: MediaType,
    },
    /// A kind that is not stored here.
    #[error("manifests of type '{0}' are not supported; use an OCI or Docker version 2 schema 2 manifest or index")]
    Unsupported(MediaType),
    /// `layers` or `config` in an index, or `manifests` in an image.
    #[error("a manifest has either 'manifests' or 'config' and 'layers', as its type says, not both")]
    MixedKinds,
    /// A field that the kind requires.
    #[error("the manifest lacks the field '{0}'")]
    Missing(&'static str),
    /// Another `schemaVersion` than 2.
    #[error("the manifest's schemaVersion must be 2")]
    SchemaVersion,
}

/// `null`, which Go writes for a list, a map or a pointer that has nothing in it, counts as empty everywhere.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "children")]
    manifests: Children,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "annotations")]
    annotations: BTreeMap<String, String>,
}

/// What `manifests` is. An index must have it, but may have nothing in it; an image may have nothing there.
#[derive(Default)]
enum Children {
    #[default]
    Absent,
    Null,
    Listed(Vec<Descriptor>),
}

fn children<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Children, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Children::Null, Children::Listed))
}

/// The keys that clients know in a manifest (OCI image specification; Docker's version 2 schema 2 has a part of them).
static MANIFEST: Shape = Shape(&[
    ("schemaVersion", None),
    ("mediaType", None),
    ("artifactType", None),
    ("config", Some(&DESCRIPTOR)),
    ("layers", Some(&DESCRIPTOR)),
    ("manifests", Some(&DESCRIPTOR)),
    ("subject", Some(&DESCRIPTOR)),
    ("annotations", None),
]);

static DESCRIPTOR: Shape = Shape(&[
    ("mediaType", None),
    ("artifactType", None),
    ("digest", None),
    ("size", None),
    ("urls", None),
    ("annotations", None),
    ("data", None),
    ("platform", Some(&PLATFORM)),
]);

static PLATFORM: Shape = Shape(&[
    ("architecture", None),
    ("os", None),
    ("os.version", None),
    ("os.features", None),
    ("variant", None),
    ("features", None),
]);

impl Manifest {
    /// Reads a manifest that was sent with `content_type`.
    pub fn parse(content_type: Option<&MediaType>, bytes: &[u8]) -> Result<Self, InvalidManifest> {
        strict_json::check(bytes, &MANIFEST)?;
        let document: Document = serde_json::from_slice(bytes)?;
        let media_type = agreed_media_type(content_type, document.media_type.as_ref())?;
        let kind = Kind::of(&media_type).ok_or_else(|| InvalidManifest::Unsupported(media_type.clone()))?;
        if document.schema_version != Some(2) {
            return Err(InvalidManifest::SchemaVersion);
        }
        match kind {
            Kind::Image if matches!(document.manifests, Children::Listed(_)) => {
                return Err(InvalidManifest::MixedKinds);
            }
            Kind::Image if document.config.is_none() => return Err(InvalidManifest::Missing("config")),
            Kind::Index if document.layers.is_some() || document.config.is_some() => {
                return Err(InvalidManifest::MixedKinds);
            }
            Kind::Index if matches!(document.manifests, Children::Absent) => {
                return Err(InvalidManifest::Missing("manifests"));
            }
            Kind::Image | Kind::Index => {}
        }
        Ok(Self {
            media_type,
            kind,
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            children: match document.manifests {
                Children::Listed(children) => children,
                Children::Absent | Children::Null => Vec::new(),
            },
            subject: document.subject,
            artifact_type: document.artifact_type.filter(|text| !text.is_empty()),
            annotations: document.annotations,
        })
    }

    /// What it is served as.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Image or index.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The blobs that must be there: the configuration, and every layer that is not to be had elsewhere (`urls`).
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let local = |layer: &&Descriptor| layer.urls.as_ref().is_none_or(Vec::is_empty);
        self.config.iter().chain(self.layers.iter().filter(local))
    }

    /// What an index lists: manifests as a rule, but `BuildKit` lists the layers of a cache there as well.
    pub fn children(&self) -> &[Descriptor] {
        &self.children
    }

    /// How many descriptors it has in all.
    pub fn descriptors(&self) -> usize {
        let single = usize::from(self.config.is_some()) + usize::from(self.subject.is_some());
        single + self.layers.len() + self.children.len()
    }

    /// The manifest that this one refers to; it need not exist.
    pub fn subject(&self) -> Option<&Digest> {
        self.subject.as_ref().map(|subject| &subject.digest)
    }

    /// What the list of referrers calls it: `artifactType`, else for images the configuration's media type
    /// (OCI distribution specification, "Listing Referrers").
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref().or_else(|| self.config.as_ref().map(|config| config.media_type.as_str()))
    }

    /// Its own annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

impl Kind {
    /// The shape of a media type; `None` where it is not one of a manifest.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        match media_type.as_str().to_ascii_lowercase().as_str() {
            OCI_MANIFEST | DOCKER_MANIFEST => Some(Self::Image),
            OCI_INDEX | DOCKER_MANIFEST_LIST => Some(Self::Index),
            _ => None,
        }
    }
}

fn agreed_media_type(header: Option<&MediaType>, body: Option<&MediaType>) -> Result<MediaType, InvalidManifest> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => {
            Err(InvalidManifest::MediaTypeMismatch { header: header.clone(), body: body.clone() })
        }
        // As the body has it, where both have it in another case: clients compare what is served with what they read.
        (_, Some(media_type)) | (Some(media_type), None) => Ok(media_type.clone()),
        (None, None) => Err(InvalidManifest::NoMediaType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: &str, json: &str) -> Result<Manifest, InvalidManifest> {
        Manifest::parse(Some(&content_type.parse().expect("a media type")), json.as_bytes())
    }

    fn descriptor(media_type: &str, byte: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":3}}"#, byte.repeat(32))
    }

    #[test]
    fn an_image_names_its_blobs_but_not_foreign_layers() {
        let config = descriptor("application/vnd.oci.image.config.v1+json", "01");
        let layer = descriptor("application/vnd.oci.image.layer.v1.tar", "02");
        let foreign = layer.replace("\"size\":3", "\"size\":3,\"urls\":[\"https://elsewhere.test/x\"]");
        let json =
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer},{foreign}],"unknown":{{"a":1}}}}"#);
        let manifest = parse(OCI_MANIFEST, &json).expect("valid");
        assert_eq!(manifest.blobs().count(), 2);
        assert_eq!(manifest.artifact_type(), Some("application/vnd.oci.image.config.v1+json"));
    }

    #[test]
    fn an_index_may_be_empty_and_has_no_artifact_type_of_its_own() {
        let manifest = parse(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#).expect("valid");
        assert_eq!((manifest.kind(), manifest.artifact_type()), (Kind::Index, None));
    }

    #[test]
    fn confusions_are_refused() {
        let config = descriptor("application/vnd.oci.image.config.v1+json", "01");
        let mixed = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"manifests":[]}}"#);
        assert!(matches!(parse(OCI_MANIFEST, &mixed), Err(InvalidManifest::MixedKinds)));
        assert!(matches!(parse(OCI_INDEX, &mixed), Err(InvalidManifest::MixedKinds)));
        let other = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[]}}"#);
        assert!(matches!(parse(OCI_MANIFEST, &other), Err(InvalidManifest::MediaTypeMismatch { .. })));
        assert!(parse(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#).is_err());
        assert!(parse(OCI_MANIFEST, r#"{"schemaVersion":2,"layers":[]}"#).is_err());
        assert!(parse(OCI_INDEX, r#"{"schemaVersion":1,"manifests":[]}"#).is_err());
        let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        assert!(matches!(parse(schema1, r#"{"schemaVersion":1}"#), Err(InvalidManifest::Unsupported(_))));
    }

    #[test]
    fn what_go_writes_for_nothing_is_nothing() {
        let config = descriptor("application/vnd.oci.image.config.v1+json", "01");
        let nothing = r#""annotations":null,"subject":null,"artifactType":null,"urls":null"#;
        let index = format!(r#"{{"schemaVersion":2,"manifests":null,"layers":null,"config":null,{nothing}}}"#);
        assert_eq!(parse(OCI_INDEX, &index).expect("valid").children().len(), 0);
        let config = config
            .replace("\"size\":3", "\"size\":3,\"urls\":null,\"annotations\":null,\"platform\":null,\"data\":null");
        let image = format!(r#"{{"schemaVersion":2,"config":{config},"layers":null,"manifests":null,{nothing}}}"#);
        assert_eq!(parse(OCI_MANIFEST, &image).expect("valid").blobs().count(), 1);
        let text = image.replace("\"annotations\":null,\"subject\"", "\"annotations\":{\"a\":null},\"subject\"");
        assert_eq!(parse(OCI_MANIFEST, &text).expect("valid").annotations().get("a"), Some(&String::new()));
        assert!(matches!(
            parse(OCI_MANIFEST, &image.replace(&config, "null")),
            Err(InvalidManifest::Missing("config"))
        ));
        assert!(matches!(parse(OCI_INDEX, r#"{"schemaVersion":2}"#), Err(InvalidManifest::Missing("manifests"))));
    }

    #[test]
    fn descriptors_may_carry_parameters_but_a_manifest_may_not() {
        let config = descriptor("application/vnd.dev.sigstore.bundle+json;version=0.2", "01");
        let image = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        let manifest = parse(OCI_MANIFEST, &image).expect("valid");
        assert_eq!(manifest.artifact_type(), Some("application/vnd.dev.sigstore.bundle+json;version=0.2"));
        let own = image.replacen('{', &format!("{{\"mediaType\":\"{OCI_MANIFEST};version=1\","), 1);
        assert!(parse(OCI_MANIFEST, &own).is_err());
        let long = image.replace("version=0.2", &"x".repeat(2000));
        assert!(parse(OCI_MANIFEST, &long).is_err());
    }

    #[test]
    fn media_types_compare_without_case_and_are_served_as_the_body_has_them() {
        let body = OCI_INDEX.to_ascii_uppercase();
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{body}","manifests":[]}}"#);
        let manifest = parse(OCI_INDEX, &index).expect("the same type");
        assert_eq!((manifest.kind(), manifest.media_type().as_str()), (Kind::Index, body.as_str()));
    }

    #[test]
    fn keys_that_another_reader_would_read_are_refused_and_unknown_ones_may_hold_anything() {
        for (key, other) in
            [("manifests", "Manifests"), ("manifests", "manife\u{17f}ts"), ("schemaVersion", "schemaversion")]
        {
            let index = r#"{"schemaVersion":2,"manifests":[]}"#.replace(key, other);
            let error = parse(OCI_INDEX, &index).expect_err(other).to_string();
            assert!(error.contains("must be written"), "{error}");
        }
        let child = descriptor(OCI_MANIFEST, "01").replace("\"size\":3", "\"size\":3,\"Digest\":\"sha256:x\"");
        assert!(parse(OCI_INDEX, &format!(r#"{{"schemaVersion":2,"manifests":[{child}]}}"#)).is_err());
        let new = r#"{"schemaVersion":2,"manifests":[],"new":[1e400,{"Layers":1,"layers":-1E+999}]}"#;
        assert!(parse(OCI_INDEX, new).is_ok());
    }
}
