//! The contract of tags: pages of them continue in the order of their bytes, on any database.

use super::content::{manifest, name, put, sha256, tag_target};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    tags_are_listed_in_pages,
    text_is_compared_byte_by_byte,
}

async fn tags_are_listed_in_pages(store: &MetadataSubject) {
    let mut expected = ["v1.10", "v1.2", "latest", "V1", "_x", "0", "v1.10-rc"];
    put(&**store, "tags", manifest("tagged", &expected)).await;
    expected.sort_unstable();
    let repository = name("tags");
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.tags(&repository, after.as_deref(), 3).await.expect("read").expect("exists");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.tag.to_string());
        assert!(page.iter().all(|found| found.digest == sha256(b"tagged") && found.updated_at == BEGIN));
        found.extend(page.iter().map(|found| found.tag.to_string()));
    }
    assert_eq!(found, expected);
    let after_absent = store.tags(&repository, Some("v1.1"), 1).await.expect("read").expect("exists");
    assert_eq!(after_absent[0].tag.as_str(), "v1.10");
}

async fn text_is_compared_byte_by_byte(store: &MetadataSubject) {
    // By a dictionary, "a" comes before "B", and "-" counts for nothing.
    let tags = ["1", "1-", "1.", "B", "Z", "_", "a", "a-b", "ab", "b"];
    put(&**store, "bytes", manifest("compared", &tags)).await;
    let listed = store.tags(&name("bytes"), None, 100).await.expect("read").expect("exists");
    assert_eq!(listed.iter().map(|found| found.tag.as_str()).collect::<Vec<_>>(), tags);
    let rest = store.tags(&name("bytes"), Some("Z"), 100).await.expect("read").expect("exists");
    assert_eq!(rest.iter().map(|found| found.tag.as_str()).collect::<Vec<_>>(), ["_", "a", "a-b", "ab", "b"]);
    assert_eq!(tag_target(&**store, "bytes", "A").await, None, "another letter is another tag");
}
