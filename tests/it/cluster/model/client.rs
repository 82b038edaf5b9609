//! A client with repositories of its own, and the model: what every node must answer it after each step.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis::auth::{Continue, Delete, Pull, Push};
use portcullis::domain::{Algorithm, Digest, Precondition, Reference, RepositoryName, Tag, UploadId};
use portcullis::registry::{CollectionPace, CollectionStop, Owner, RegistryError};

use super::images::{content, digest, manifest, parts};
use super::repository::{LEASE, Repository};
use super::steps::{REPOSITORIES, Step, What};
use super::two_nodes::{Node, TwoNodes, body, bytes};

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

/// How much time passes at once: three times that, and a lease has ended.
const WAIT: Duration = Duration::from_hours(10);

/// In words what a node did, and what it should have done.
pub type Difference = String;

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
                let found = read(node, &self.names[at], &Reference::Tag(tag_name(tag))).await?;
                same("a tag's manifest", &found, &wanted.map(manifest))
            }
            What::ReadManifest { image } => self.read_manifest(node, at, image).await,
            What::ReadBlob { content } => self.read_blob(node, at, content).await,
            What::Ask { content } => self.ask(node, at, content).await,
            What::Wait => {
                self.nodes.wait(WAIT);
                Ok(())
            }
            What::Collect => collect(node).await,
            What::Restart => {
                node.restart();
                Ok(())
            }
            What::ListTags => self.list_tags(node, at).await,
            What::ListReferrers { image } => self.list_referrers(node, at, image).await,
        }
    }

    async fn push(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let (bytes, permit) = (content(number), node.permit::<Push>(&self.names[at]));
        let now = node.clock.seconds();
        let session = node.registry().begin_single_upload(&permit, Algorithm::Sha256, None).await.map_err(words)?;
        session.commit(None, Some(body(&bytes)), digest(&bytes)).await.map_err(words)?;
        self.repositories[at].use_blob(&digest(&bytes), now);
        Ok(())
    }

    async fn open(&mut self, node: &Node, at: usize, slot: usize) -> Result<(), Difference> {
        if self.uploads.contains_key(&slot) {
            return Ok(());
        }
        let owner = Owner::of(None, [192, 0, 2, 1].into());
        let permit = node.permit::<Push>(&self.names[at]);
        let session = node.registry().begin_upload(&permit, Algorithm::Sha256, &owner).await.map_err(words)?;
        self.uploads.insert(slot, Upload { id: session.id(), repository: at, bytes: Vec::new() });
        Ok(())
    }

    async fn append(&mut self, node: &Node, slot: usize, number: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.get_mut(&slot) else { return Ok(()) };
        let permit = node.permit::<Continue>(&self.names[upload.repository]);
        let session = node.registry().resume_upload(&permit, upload.id).await.map_err(words)?;
        same("the length of an upload", &session.length(), &(upload.bytes.len() as u64))?;
        let chunk = content(number);
        session.append(None, body(&chunk)).await.map_err(words)?;
        upload.bytes.extend(chunk);
        Ok(())
    }

    async fn commit(&mut self, node: &Node, slot: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.remove(&slot) else { return Ok(()) };
        let (name, whole) = (&self.names[upload.repository], digest(&upload.bytes));
        let now = node.clock.seconds();
        let session = node.registry().resume_upload(&node.permit::<Continue>(name), upload.id).await.map_err(words)?;
        session.commit(None, None, whole.clone()).await.map_err(words)?;
        self.repositories[upload.repository].use_blob(&whole, now);
        let length = node.registry().upload_length(&node.permit::<Continue>(name), upload.id).await;
        same("a finished upload", &outcome(&length), &"UploadUnknown")?;
        let found = blob(node, name, &whole).await;
        if self.repositories[upload.repository].has_surely(&whole, node.clock.seconds()) {
            same("the blob of an upload", &found?, &Some(upload.bytes))?;
        }
        Ok(())
    }

    async fn cancel(&mut self, node: &Node, slot: usize) -> Result<(), Difference> {
        let Some(upload) = self.uploads.remove(&slot) else { return Ok(()) };
        let permit = node.permit::<Continue>(&self.names[upload.repository]);
        let session = node.registry().resume_upload(&permit, upload.id).await.map_err(words)?;
        session.cancel().await.map_err(words)
    }

    async fn mount(&mut self, node: &Node, at: usize, from: usize, number: usize) -> Result<(), Difference> {
        let (wanted, now) = (digest(&content(number)), node.clock.seconds());
        let (permit, source) = (node.permit::<Push>(&self.names[at]), node.permit::<Pull>(&self.names[from]));
        let mounted = node.registry().mount(&permit, &source, &wanted).await.map_err(words)?;
        self.repositories[from].blob_was_found("a mount", &wanted, mounted, node.clock.seconds())?;
        if mounted {
            self.repositories[at].use_blob(&wanted, now);
        }
        Ok(())
    }

    /// A client that is told that a blob is there has half of the time of a lease, at least.
    async fn ask(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let (wanted, now) = (digest(&content(number)), node.clock.seconds());
        let found = node.registry().has_blob(&node.permit::<Push>(&self.names[at]), &wanted).await.map_err(words)?;
        let repository = &mut self.repositories[at];
        repository.blob_was_found("a blob that was asked for", &wanted, found, node.clock.seconds())?;
        if found {
            repository.use_blob(&wanted, now - LEASE / 2);
        }
        Ok(())
    }

    async fn put(&mut self, node: &Node, at: usize, image: usize, tag: Option<usize>) -> Result<(), Difference> {
        let (bytes, now) = (manifest(image), node.clock.seconds());
        let reference = tag.map_or_else(|| Reference::Digest(digest(&bytes)), |tag| Reference::Tag(tag_name(tag)));
        let (permit, always) = (node.permit::<Push>(&self.names[at]), Precondition::Always);
        let put = node.registry().push_manifest(&permit, &reference, Vec::new(), None, bytes, always).await;
        let (repository, then) = (&mut self.repositories[at], node.clock.seconds());
        let parts = parts(image).map(|part| digest(&content(part)));
        let (must, may) = (
            parts.iter().all(|part| repository.has_surely(part, then)),
            parts.iter().all(|part| repository.may_have(part)),
        );
        match outcome(&put).as_str() {
            "done" if may => repository.put(image, tag, &parts, now),
            "MissingReferences" if !must => {}
            other => return Err(format!("a manifest put: {other}, though its parts must {must}, may {may} be there")),
        }
        Ok(())
    }

    async fn delete_tag(&mut self, node: &Node, at: usize, tag: usize) -> Result<(), Difference> {
        let permit = node.permit::<Delete>(&self.names[at]);
        let deleted = node.registry().delete_manifest(&permit, &Reference::Tag(tag_name(tag))).await;
        let was_there = self.repositories[at].untag(tag);
        same("a tag's deletion", &outcome(&deleted), &if was_there { "done" } else { "ManifestUnknown" })
    }

    async fn delete_manifest(&mut self, node: &Node, at: usize, image: usize) -> Result<(), Difference> {
        let permit = node.permit::<Delete>(&self.names[at]);
        let deleted = node.registry().delete_manifest(&permit, &Reference::Digest(digest(&manifest(image)))).await;
        let was_there = is_done(&deleted, "ManifestUnknown")?;
        self.repositories[at].image_was_found("a manifest's deletion", image, was_there)?;
        self.repositories[at].lose(image);
        Ok(())
    }

    async fn delete_blob(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let (permit, unwanted) = (node.permit::<Delete>(&self.names[at]), digest(&content(number)));
        let deleted = node.registry().delete_blob(&permit, &unwanted).await;
        let was_there = is_done(&deleted, "BlobUnknown")?;
        let repository = &mut self.repositories[at];
        repository.blob_was_found("a blob's deletion", &unwanted, was_there, node.clock.seconds())?;
        repository.forget_blob(&unwanted);
        Ok(())
    }

    async fn read_manifest(&mut self, node: &Node, at: usize, image: usize) -> Result<(), Difference> {
        let found = read(node, &self.names[at], &Reference::Digest(digest(&manifest(image)))).await?;
        self.repositories[at].image_was_found("a manifest", image, found.is_some())?;
        found.map_or(Ok(()), |found| same("a manifest", &found, &manifest(image)))
    }

    async fn read_blob(&mut self, node: &Node, at: usize, number: usize) -> Result<(), Difference> {
        let bytes = content(number);
        let found = blob(node, &self.names[at], &digest(&bytes)).await;
        let (repository, now) = (&mut self.repositories[at], node.clock.seconds());
        if found.is_err() && repository.may_have(&digest(&bytes)) && !repository.has_surely(&digest(&bytes), now) {
            // It was removed while it was read: without a grace period, that can be.
            return Ok(());
        }
        let found = found?;
        repository.blob_was_found("a blob", &digest(&bytes), found.is_some(), now)?;
        found.map_or(Ok(()), |found| same("a blob", &found, &bytes))
    }

    async fn list_tags(&self, node: &Node, at: usize) -> Result<(), Difference> {
        let page = node.registry().tags(&node.permit::<Pull>(&self.names[at]), None, None).await.map_err(words)?;
        let wanted: Vec<String> = self.repositories[at].tags.keys().map(|tag| tag_name(*tag).to_string()).collect();
        same("the list of tags", &page.names, &wanted)
    }

    async fn list_referrers(&self, node: &Node, at: usize, image: usize) -> Result<(), Difference> {
        let (permit, of) = (node.permit::<Pull>(&self.names[at]), digest(&manifest(image)));
        let page = node.registry().referrers(&permit, &of, None, None, None).await.map_err(words)?;
        let entries = page.referrers.iter().map(|entry| serde_json::to_value(entry).expect("JSON"));
        let found: Vec<String> = entries.filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect();
        self.repositories[at].referrers_were_found(image, &found)
    }
}

/// Without delays, but for leases.
async fn collect(node: &Node) -> Result<(), Difference> {
    let pace = CollectionPace {
        keep: Duration::ZERO,
        grace: Duration::ZERO,
        rate: None,
        reviews: true,
        removes_contents: true,
    };
    let collected = node.registry().collect(pace, |_| ()).await.map_err(words)?;
    if matches!(collected.stopped, Some(CollectionStop::AsksFirst(_))) {
        node.registry().confirm_removals().await.map_err(words)?;
    }
    Ok(())
}

/// A manifest's bytes.
async fn read(node: &Node, name: &RepositoryName, reference: &Reference) -> Result<Option<bytes::Bytes>, Difference> {
    match node.registry().pull_manifest(&node.permit::<Pull>(name), reference).await {
        Ok(found) => Ok(Some(found.content().clone())),
        Err(RegistryError::ManifestUnknown { .. }) => Ok(None),
        Err(error) => Err(words(error)),
    }
}

/// A blob's bytes; `None` where the repository does not have it.
async fn blob(node: &Node, name: &RepositoryName, wanted: &Digest) -> Result<Option<Vec<u8>>, Difference> {
    let permit = node.permit::<Pull>(name);
    let registry = node.registry();
    let found = match registry.pull_blob(&permit, wanted).await {
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

/// Whether it was done; else it must have failed in this way.
fn is_done<T>(answer: &Result<T, RegistryError>, failure: &str) -> Result<bool, Difference> {
    match outcome(answer).as_str() {
        "done" => Ok(true),
        other if other == failure => Ok(false),
        other => Err(format!("failed with {other}")),
    }
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

pub fn same<T: std::fmt::Debug + PartialEq<U>, U: std::fmt::Debug>(
    what: &str,
    found: &T,
    wanted: &U,
) -> Result<(), Difference> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: the node says {found:?}, the model {wanted:?}")) }
}
