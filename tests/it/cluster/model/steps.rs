//! The steps of a client, drawn at random. They name what they are about by number, so that any of them can be left out of a run.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::images::{CONTENTS, IMAGES};

pub const REPOSITORIES: usize = 3;
const TAGS: usize = 6;
const UPLOADS: usize = 3;

/// One request: to which node, for which repository of the client's own, and what.
#[derive(Clone, Debug)]
pub struct Step {
    pub node: usize,
    pub repository: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A blob in one piece.
    Push {
        content: usize,
    },
    /// Sessions that stay open between steps, and whose chunks reach any node.
    Begin {
        upload: usize,
    },
    Append {
        upload: usize,
        content: usize,
    },
    Commit {
        upload: usize,
    },
    Cancel {
        upload: usize,
    },
    Mount {
        from: usize,
        content: usize,
    },
    Put {
        image: usize,
        tag: Option<usize>,
    },
    DeleteTag {
        tag: usize,
    },
    DeleteManifest {
        image: usize,
    },
    DeleteBlob {
        content: usize,
    },
    ReadTag {
        tag: usize,
    },
    ReadManifest {
        image: usize,
    },
    ReadBlob {
        content: usize,
    },
    /// Whether a blob is there, as before an upload.
    Ask {
        content: usize,
    },
    /// Ten hours pass for everyone.
    Wait,
    /// A garbage collection.
    Collect,
    /// What the node knows only in memory is lost.
    Restart,
    ListTags,
    ListReferrers {
        image: usize,
    },
}

/// The steps that client `client` takes in the run of this seed.
pub fn draw(seed: u64, client: usize, count: usize) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(client as u64));
    (0..count).map(|_| step(&mut random)).collect()
}

fn step(random: &mut StdRng) -> Step {
    let mut below = |end: usize| random.random_range(0..end);
    let (upload, content, image, tag) = (below(UPLOADS), below(CONTENTS), below(IMAGES), below(TAGS));
    let what = match below(100) {
        0..8 => What::Push { content },
        8..11 => What::Begin { upload },
        11..17 => What::Append { upload, content },
        17..20 => What::Commit { upload },
        20 => What::Cancel { upload },
        21..27 => What::Mount { from: below(REPOSITORIES), content },
        27..40 => What::Put { image, tag: (below(4) > 0).then_some(tag) },
        40..44 => What::DeleteTag { tag },
        44..47 => What::DeleteManifest { image },
        47..49 => What::DeleteBlob { content },
        49..69 => What::ReadTag { tag },
        69..75 => What::ReadManifest { image },
        75..81 => What::ReadBlob { content },
        81..84 => What::Ask { content },
        84..87 => What::Collect,
        87 if below(8) == 0 => What::Wait,
        88 if below(8) == 0 => What::Restart,
        87..94 => What::ListTags,
        _ => What::ListReferrers { image },
    };
    Step { node: below(2), repository: below(REPOSITORIES), what }
}
