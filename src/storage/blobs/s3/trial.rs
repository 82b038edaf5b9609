//! Tries all that is needed of a bucket, under a prefix of its own that is empty again afterwards: what an object store claims and what it does
//! are two things.

use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use object_store::client::HttpRequestBody;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use uuid::Uuid;

use super::bucket::Bucket;
use super::options::S3Options;
use super::probe::{Unusable, probe};
use super::redirect::Redirects;
use crate::domain::Clock;
use crate::storage::StorageError;

/// The least that object stores take as a part.
const PART: usize = 5 * 1024 * 1024;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To store an object and another under the same name, and to read the second.
    Objects,
    /// To read a range, and none behind the end.
    Ranges,
    /// To remove objects, one that is gone too.
    Removal,
    /// An upload of three parts, and its length.
    Multipart,
    /// That an upload with a part that is not what was sent is refused.
    WrongPart,
    /// That an aborted upload takes no more parts.
    Abort,
    /// To list names.
    List,
    /// To list uploads that were begun.
    ListUploads,
    /// An address that is signed for clients.
    Redirect,
    /// The clock of the object store.
    Clock,
    /// That objects are gone when they are removed.
    Versions,
}

/// What came of trying a bucket.
pub struct Tried {
    /// Why it cannot be used at all.
    pub unusable: Option<Unusable>,
    /// What was found step by step, if it can.
    pub steps: Vec<(Step, Result<String, String>)>,
}

/// Tries everything, if the bucket can be used at all; each step is independent of how those before went. What is left is removed.
pub async fn try_bucket(options: &S3Options, clock: &Clock) -> Result<Tried, StorageError> {
    let unusable = probe(options, clock).await?;
    if unusable.is_some() {
        return Ok(Tried { unusable, steps: Vec::new() });
    }
    let scratch = format!("doctor-{}", Uuid::now_v7());
    let prefix = if options.prefix.is_empty() { scratch } else { format!("{}/{scratch}", options.prefix) };
    let options = S3Options { prefix, ..options.clone() };
    let trial = Trial { bucket: Bucket::open(&options, clock)?, options, clock: clock.clone() };
    let mut tried = vec![
        (Step::Objects, trial.objects().await),
        (Step::Ranges, trial.ranges().await),
        (Step::Removal, trial.removal().await),
        (Step::Multipart, trial.multipart().await),
        (Step::WrongPart, trial.wrong_part().await),
        (Step::Abort, trial.abort().await),
        (Step::List, trial.list().await),
        (Step::ListUploads, trial.list_uploads().await),
        (Step::Clock, trial.clock().await),
        (Step::Versions, trial.versions().await),
    ];
    if trial.options.redirect.is_some() {
        tried.push((Step::Redirect, trial.redirect().await));
    }
    trial.clean().await;
    Ok(Tried { unusable: None, steps: tried })
}

struct Trial {
    bucket: Bucket,
    options: S3Options,
    clock: Clock,
}

type Outcome = Result<String, String>;

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` takes")]
fn told(error: impl ToString) -> String {
    error.to_string()
}

impl Trial {
    async fn objects(&self) -> Outcome {
        self.bucket.put("object", vec![Bytes::from_static(b"first")]).await.map_err(told)?;
        self.bucket.put("object", vec![Bytes::from_static(b"another, longer one")]).await.map_err(told)?;
        let size = self.bucket.size("object").await.map_err(told)?;
        let read = self.read("object", 0..19).await?;
        if size != Some(19) || read != "another, longer one" {
            return Err("an object that was overwritten is not what was written last".to_owned());
        }
        Ok("objects are stored, overwritten and read".to_owned())
    }

    async fn ranges(&self) -> Outcome {
        self.bucket.put("ranges", vec![Bytes::from_static(b"0123456789")]).await.map_err(told)?;
        let middle = self.read("ranges", 3..7).await?;
        if middle != "3456" {
            return Err(format!("the range 3 to 6 of 0123456789 is {:?}", String::from_utf8_lossy(&middle)));
        }
        if self.read("ranges", 10..12).await.is_ok() {
            return Err("a range behind the end of an object is answered with success".to_owned());
        }
        Ok("ranges are exact".to_owned())
    }

    async fn removal(&self) -> Outcome {
        self.bucket.put("removed", vec![Bytes::from_static(b"x")]).await.map_err(told)?;
        for _ in 0..2 {
            self.bucket.remove("removed").await.map_err(told)?;
        }
        match self.bucket.size("removed").await.map_err(told)? {
            None => Ok("objects are removed".to_owned()),
            Some(_) => Err("an object that was removed is still there".to_owned()),
        }
    }

    async fn multipart(&self) -> Outcome {
        let id = self.bucket.begin("multipart").await.map_err(told)?;
        let mut parts = Vec::new();
        for (number, length) in [PART, PART, 1000].into_iter().enumerate() {
            let byte = b'a' + u8::try_from(number).unwrap_or_default();
            let block = Bytes::from(vec![byte; length]);
            parts.push(self.bucket.part("multipart", &id, number, vec![block]).await.map_err(told)?);
        }
        self.bucket.complete("multipart", &id, &parts).await.map_err(told)?;
        let (size, end) = (self.bucket.size("multipart").await.map_err(told)?, 2 * PART as u64);
        let joint = self.read("multipart", end - 1..end + 1).await?;
        if size != Some(end + 1000) || joint != "bc" {
            return Err(format!("an upload of {} bytes in three parts became {size:?} bytes", end + 1000));
        }
        Ok("uploads of several parts become one object".to_owned())
    }

    async fn wrong_part(&self) -> Outcome {
        let id = self.bucket.begin("wrong").await.map_err(told)?;
        self.bucket.part("wrong", &id, 0, vec![Bytes::from_static(b"content")]).await.map_err(told)?;
        let wrong = "\"00000000000000000000000000000000\"".to_owned();
        let completed = self.bucket.complete("wrong", &id, &[wrong]).await;
        let aborted = self.bucket.abort("wrong", &id).await;
        match completed {
            Err(_) => Ok("a part that is not what was sent is refused".to_owned()),
            Ok(()) => Err(format!("an upload is completed though it names another part{}", after(aborted))),
        }
    }

    async fn abort(&self) -> Outcome {
        let id = self.bucket.begin("aborted").await.map_err(told)?;
        self.bucket.part("aborted", &id, 0, vec![Bytes::from_static(b"content")]).await.map_err(told)?;
        self.bucket.abort("aborted", &id).await.map_err(told)?;
        if self.bucket.part("aborted", &id, 1, vec![Bytes::from_static(b"content")]).await.is_ok() {
            return Err("an upload that was aborted takes parts".to_owned());
        }
        Ok("uploads are aborted".to_owned())
    }

    async fn list(&self) -> Outcome {
        self.bucket.put("list/a", vec![Bytes::from_static(b"x")]).await.map_err(told)?;
        self.bucket.put("list/b", vec![Bytes::from_static(b"x")]).await.map_err(told)?;
        let start = format!("{}/", self.bucket.path("list"));
        let options = PaginatedListOptions { offset: Some(format!("{start}a")), ..PaginatedListOptions::default() };
        let page = self.bucket.store.list_paginated(Some(&start), options).await.map_err(told)?;
        let names: Vec<&str> = page.result.objects.iter().map(|object| object.location.as_ref()).collect();
        if names != [format!("{start}b")] {
            return Err(format!("behind the first of two objects, a list has {names:?}"));
        }
        Ok("names are listed in order".to_owned())
    }

    async fn list_uploads(&self) -> Outcome {
        let id = self.bucket.begin("begun/one").await.map_err(told)?;
        let page = self.bucket.multiparts("begun", ("", ""), 10).await;
        self.bucket.abort("begun/one", &id).await.map_err(told)?;
        match page.map_err(told)?.uploads.as_slice() {
            [begun] if begun.upload_id == id => Ok("uploads that were begun are listed".to_owned()),
            found => Err(format!("of one upload that was begun, {} are listed", found.len())),
        }
    }

    async fn redirect(&self) -> Outcome {
        let Some(redirect) = &self.options.redirect else { return Ok("clients are not redirected".to_owned()) };
        self.bucket.put("redirect", vec![Bytes::from_static(b"content")]).await.map_err(told)?;
        let redirects = Redirects::new(&self.options, redirect, &self.clock).map_err(told)?;
        let address = redirects.address("redirect").await.map_err(told)?;
        let host = address.host().unwrap_or_default().to_owned();
        let request = http::Request::builder().method(Method::GET).uri(address).body(HttpRequestBody::empty());
        let answer = self.bucket.raw.send(request.map_err(told)?).await.map_err(told)?;
        let body = answer.into_body().bytes().await.map_err(told)?;
        if body != "content" {
            return Err(format!("the signed address on {host} has {} other bytes", body.len()));
        }
        Ok(format!("addresses that are signed for {host} work"))
    }

    async fn clock(&self) -> Outcome {
        let request = http::Request::builder().method(Method::GET).uri(self.bucket.raw.address());
        let request = request.body(HttpRequestBody::empty()).map_err(told)?;
        let date = self.bucket.raw.date(request).await.ok_or("the object store does not tell the time")?;
        let theirs = jiff::fmt::rfc2822::parse(&date).map_err(told)?.timestamp().as_second();
        let apart = (theirs - self.clock.seconds()).abs();
        if apart > 300 {
            return Err(format!("its clock and the one of this machine are {apart} s apart"));
        }
        Ok(format!("its clock and the one of this machine are {apart} s apart"))
    }

    async fn versions(&self) -> Outcome {
        let Ok(answer) = self.bucket.ask("asking for the versions of the bucket", "versioning").await else {
            return Ok("it does not tell whether it keeps old versions of objects".to_owned());
        };
        if String::from_utf8_lossy(&answer).contains("<Status>Enabled</Status>") {
            return Err("the bucket keeps old versions of objects".to_owned());
        }
        Ok("the space of removed objects is free".to_owned())
    }

    async fn read(&self, name: &str, range: std::ops::Range<u64>) -> Result<Bytes, String> {
        let mut opened = self.bucket.get(name, range).await.map_err(|error| super::error::shown(&error))?;
        let mut read = Vec::new();
        while let Some(chunk) = opened.bytes.next().await {
            read.extend_from_slice(&chunk.map_err(told)?);
        }
        Ok(read.into())
    }

    /// What is left then is small, and says in its name what it is.
    async fn clean(&self) {
        for name in ["object", "ranges", "removed", "multipart", "wrong", "list/a", "list/b", "redirect"] {
            let _ = self.bucket.remove(name).await;
        }
    }
}

fn after(aborted: Result<(), StorageError>) -> String {
    aborted.err().map(|error| format!(", and cannot be aborted: {error}")).unwrap_or_default()
}
