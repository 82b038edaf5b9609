//! A client with repositories of its own, and the model: what every node must answer it after each step.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::auth::{Continue, Delete, Pull, Push};
use portcullis::domain::{Algorithm, Digest, Precondition, Reference, RepositoryName, Tag, UploadId};
use portcullis::registry::{Owner, RegistryError};

use super::images::{content, digest, manifest, parts, subject};
use super::steps::{REPOSITORIES, Step, What};
use super::two_nodes::{Node, TwoNodes, body, bytes};

/// What a repository must contain.
#[derive(Default)]
struct Repository {
    blobs: BTreeSet<String>,
    images: BTreeSet<usize>,
    tags: BTreeMap<usize, usize>,
}

/// A session that is open.
struct Upload {
    id: UploadId,
    repository: usize,
    bytes: Vec<u8>,
}

pub struct Client<'n> {
    nodes: &'n TwoNodes,
    names: Vec<RepositoryName>,
    repositories: Vec<Repository>,
    uploads: BTreeMap<usize, Upload>,
}

/// In words what a node did, and what it should have done.
type Difference = String;

impl<'n> Client<'n> {
    /// Begins with repositories that exist and have nothing but content 0.
    pub async fn begin(nodes: &'n TwoNodes, name: &str) -> Result<Self, Difference> {
        let names = (0..REPOSITORIES).map(|number| format!("{name}/r{number}").parse().expect("a name")).collect();
        let repositories = std::iter::repeat_with(Repository::default).take(REPOSITORIES).collect();
        let mut client = Self { nodes, names, repositories, uploads: BTreeMap::new() };
        for repository in 0..REPOSITORIES {
            client.take(&Step { node: repository, repository, what: What::Push { content: 0 } }).await?;
        }
        Ok(client)
    }

    /// Takes a step, and compares the answer with the model's.
    pub async fn take(&mut self, step: &Step) -> Result<(), Difference> {
        let (node, at) = (self.nodes.node(step.node), step.repository);
        match step.what {
            What::Push { content } => self.push(node, at, content).await,
            What::Begin { upload } => self.open(node, at, upload).await,
            What::Append { upload, content } => self.append(node, upload, content).await,
            What::Commit { upload } => self.commit(node, upload).await,
            What::Cancel { upload } => self.cancel(node, upload).await,
            What::Mount { from, content } => self.mount(node, at, from, content).await,
            What::Put { image, tag } => self.put(node, at, image, tag).await,
            What::DeleteTag { tag } => self.delete_tag(node, at, tag).await,
            What::DeleteManifest { image } => self.delete_manifest(node, at, image).await,
            What::DeleteBlob { content } => self.delete_blob(node, at, content).await,
            What::ReadTag { tag } => {
                let wanted = self.repositories[at].tags.get(&tag).copied();
                self.read(node, at, &Reference::Tag(tag_name(tag)), wanted).await
            }
            What::ReadManifest { image } => {
                let wanted = self.repositories[at].images.get(&image).copied();
                self.read(node, at, &Reference::Digest(digest(&manifest(image))), wanted).await
            }
            What::ReadBlob { content } => self.read_blob(node, at, content).await,
            What::ListTags => self.list_tags(node, at).await,
            What::ListReferrers { image } => self.list_referrers(node, at, image).await,
        }
    }

    async fn push(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let (bytes, permit) = (content(number), node.permit::<Push>(&self.names[at]));
        let session = node.registry.begin_single_upload(&permit, Algorithm::Sha256, None).await.map_err(words)?;
        session.commit(None, Some(body(&bytes)), digest(&bytes)).await.map_err(words)?;
        self.repositories[at].blobs.insert(digest(&bytes).to_string());
        Ok(())
    }

    async fn open(&mut self, node: &Node, at: usize, slot: usize) -> Result<(), Difference> {
        if self.uploads.contains_key(&slot) {
            return Ok(());
        }
        let owner = Owner::of(None, [192, 0, 2, 1].into());
        let permit = node.permit::<Push>(&self.names[at]);
        let session = node.registry.begin_upload(&permit, Algorithm::Sha256, &owner).await.map_err(words)?;
        self.uploads.insert(slot, Upload { id: session.id(), repository: at, bytes: Vec::new() });
        Ok(())
    }

    async fn append(&mut self, node: &Node, slot: usize, number: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.get_mut(&slot) else { return Ok(()) };
        let permit = node.permit::<Continue>(&self.names[upload.repository]);
        let session = node.registry.resume_upload(&permit, upload.id).await.map_err(words)?;
        same("the length of an upload", &session.length(), &(upload.bytes.len() as u64))?;
        let chunk = content(number);
        session.append(None, body(&chunk)).await.map_err(words)?;
        upload.bytes.extend(chunk);
        Ok(())
    }

    async fn commit(&mut self, node: &Node, slot: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.remove(&slot) else { return Ok(()) };
        let (name, whole) = (&self.names[upload.repository], digest(&upload.bytes));
        let session = node.registry.resume_upload(&node.permit::<Continue>(name), upload.id).await.map_err(words)?;
        session.commit(None, None, whole.clone()).await.map_err(words)?;
        self.repositories[upload.repository].blobs.insert(whole.to_string());
        let length = node.registry.upload_length(&node.permit::<Continue>(name), upload.id).await;
        same("a finished upload", &outcome(&length), &"UploadUnknown")?;
        same("the blob of an upload", &blob(node, name, &whole).await?, &Some(upload.bytes))
    }

    async fn cancel(&mut self, node: &Node, slot: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.remove(&slot) else { return Ok(()) };
        let permit = node.permit::<Continue>(&self.names[upload.repository]);
        let session = node.registry.resume_upload(&permit, upload.id).await.map_err(words)?;
        session.cancel().await.map_err(words)
    }

    async fn mount(&mut self, node: &Node, at: usize, from: usize, number: usize) -> Result<(), Difference> {
        let wanted = digest(&content(number));
        let (permit, source) = (node.permit::<Push>(&self.names[at]), node.permit::<Pull>(&self.names[from]));
        let mounted = node.registry.mount(&permit, &source, &wanted).await.map_err(words)?;
        same("a mount", &mounted, &self.repositories[from].blobs.contains(&wanted.to_string()))?;
        if mounted {
            self.repositories[at].blobs.insert(wanted.to_string());
        }
        Ok(())
    }

    async fn put(&mut self, node: &Node, at: usize, image: usize, tag: Option<usize>) -> Result<(), Difference> {
        let bytes = manifest(image);
        let reference = tag.map_or_else(|| Reference::Digest(digest(&bytes)), |tag| Reference::Tag(tag_name(tag)));
        let (permit, always) = (node.permit::<Push>(&self.names[at]), Precondition::Always);
        let put = node.registry.push_manifest(&permit, &reference, Vec::new(), None, bytes, always).await;
        let repository = &mut self.repositories[at];
        let is_complete =
            parts(image).iter().all(|part| repository.blobs.contains(&digest(&content(*part)).to_string()));
        same("a manifest put", &outcome(&put), &if is_complete { "done" } else { "MissingReferences" })?;
        if is_complete {
            repository.images.insert(image);
            repository.tags.extend(tag.map(|tag| (tag, image)));
        }
        Ok(())
    }

    async fn delete_tag(&mut self, node: &Node, at: usize, tag: usize) -> Result<(), Difference> {
        let permit = node.permit::<Delete>(&self.names[at]);
        let deleted = node.registry.delete_manifest(&permit, &Reference::Tag(tag_name(tag))).await;
        let was_there = self.repositories[at].tags.remove(&tag).is_some();
        same("a tag's deletion", &outcome(&deleted), &if was_there { "done" } else { "ManifestUnknown" })
    }

    async fn delete_manifest(&mut self, node: &Node, at: usize, image: usize) -> Result<(), Difference> {
        let permit = node.permit::<Delete>(&self.names[at]);
        let deleted = node.registry.delete_manifest(&permit, &Reference::Digest(digest(&manifest(image)))).await;
        let repository = &mut self.repositories[at];
        let was_there = repository.images.remove(&image);
        repository.tags.retain(|_, tagged| *tagged != image);
        same("a manifest's deletion", &outcome(&deleted), &if was_there { "done" } else { "ManifestUnknown" })
    }

    async fn delete_blob(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let (permit, unwanted) = (node.permit::<Delete>(&self.names[at]), digest(&content(number)));
        let deleted = node.registry.delete_blob(&permit, &unwanted).await;
        let was_there = self.repositories[at].blobs.remove(&unwanted.to_string());
        same("a blob's deletion", &outcome(&deleted), &if was_there { "done" } else { "BlobUnknown" })
    }

    async fn read(
        &self,
        node: &Node,
        at: usize,
        reference: &Reference,
        wanted: Option<usize>,
    ) -> Result<(), Difference> {
        let found = match node.registry.pull_manifest(&node.permit::<Pull>(&self.names[at]), reference).await {
            Ok(found) => Some(found.content().clone()),
            Err(RegistryError::ManifestUnknown { .. }) => None,
            Err(error) => return Err(words(error)),
        };
        same(&format!("the manifest {reference}"), &found, &wanted.map(manifest))
    }

    async fn read_blob(&self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let bytes = content(number);
        let wanted = self.repositories[at].blobs.contains(&digest(&bytes).to_string());
        same("a blob", &blob(node, &self.names[at], &digest(&bytes)).await?, &wanted.then_some(bytes))
    }

    async fn list_tags(&self, node: &Node, at: usize) -> Result<(), Difference> {
        let page = node.registry.tags(&node.permit::<Pull>(&self.names[at]), None, None).await.map_err(words)?;
        let wanted: Vec<String> = self.repositories[at].tags.keys().map(|tag| tag_name(*tag).to_string()).collect();
        same("the list of tags", &page.names, &wanted)
    }

    async fn list_referrers(&self, node: &Node, at: usize, image: usize) -> Result<(), Difference> {
        let (permit, of) = (node.permit::<Pull>(&self.names[at]), digest(&manifest(image)));
        let page = node.registry.referrers(&permit, &of, None, None, None).await.map_err(words)?;
        let entries = page.referrers.iter().map(|entry| serde_json::to_value(entry).expect("JSON"));
        let found: Vec<String> = entries.filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect();
        let attached = self.repositories[at].images.iter().filter(|other| subject(**other) == Some(image));
        let wanted: BTreeSet<String> = attached.map(|other| digest(&manifest(*other)).to_string()).collect();
        same("the referrers", &found, &wanted.into_iter().collect::<Vec<_>>())
    }
}

/// A blob's bytes; `None` where the repository does not have it.
async fn blob(node: &Node, name: &RepositoryName, wanted: &Digest) -> Result<Option<Vec<u8>>, Difference> {
    let permit = node.permit::<Pull>(name);
    let found = match node.registry.pull_blob(&permit, wanted).await {
        Ok(found) => found,
        Err(RegistryError::BlobUnknown(_)) => return Ok(None),
        Err(error) => return Err(words(error)),
    };
    let content = found.read(0..found.size()).await.map_err(words)?;
    Ok(Some(bytes(content).await.map_err(words)?))
}

fn tag_name(number: usize) -> Tag {
    format!("t{number}").parse().expect("a tag")
}

/// The name of the outcome.
fn outcome<T>(answer: &Result<T, RegistryError>) -> String {
    match answer {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn words(error: RegistryError) -> Difference {
    format!("failed: {error:?}")
}

fn same<T: std::fmt::Debug + PartialEq<U>, U: std::fmt::Debug>(
    what: &str,
    found: &T,
    wanted: &U,
) -> Result<(), Difference> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: the node says {found:?}, the model {wanted:?}")) }
}
