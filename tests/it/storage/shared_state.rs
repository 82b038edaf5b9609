//! The contract of what nodes have in common: the node that comes first decides, and the files of certificates are replaced as a whole.

use futures_util::future::join_all;
use portcullis::storage::coordination::SealedFiles;

use super::subject::MetadataSubject;

metadata_contract! {
    a_database_has_one_name,
    of_many_keys_the_first_counts,
    of_many_blob_stores_the_first_counts,
    files_are_replaced_by_those_who_know_their_version,
    of_many_who_replace_the_files_at_once_one_does,
}

async fn a_database_has_one_name(store: &MetadataSubject) {
    let name = store.instance().await.expect("read");
    assert!(!name.is_empty());
    assert_eq!(store.other().await.instance().await.expect("read"), name);
}

async fn of_many_keys_the_first_counts(store: &MetadataSubject) {
    let other = store.other().await;
    assert_eq!(other.data_key_check().await.expect("read"), None);
    let claims = (0..8_u8).map(|number| {
        let store = if number % 2 == 0 { &**store } else { &*other };
        async move { store.claim_data_key(vec![number; 32]).await.expect("asked") }
    });
    let counts = join_all(claims).await;
    assert!(counts.iter().all(|check| *check == counts[0]), "{counts:?}");
    assert_eq!(other.data_key_check().await.expect("read").as_ref(), Some(&counts[0]));
    assert_eq!(store.claim_data_key(vec![99; 32]).await.expect("asked"), counts[0], "it stays");
}

async fn of_many_blob_stores_the_first_counts(store: &MetadataSubject) {
    let other = store.other().await;
    assert_eq!(other.blob_store().await.expect("read"), None);
    let claims = (0..8).map(|number| {
        let store = if number % 2 == 0 { &**store } else { &*other };
        async move { store.claim_blob_store(&format!("mark {number}")).await.expect("asked") }
    });
    let counts = join_all(claims).await;
    assert!(counts.iter().all(|mark| *mark == counts[0]), "{counts:?}");
    assert_eq!(other.blob_store().await.expect("read").as_ref(), Some(&counts[0]));
    assert_eq!(store.claim_blob_store("another").await.expect("asked"), counts[0], "it stays");
}

async fn files_are_replaced_by_those_who_know_their_version(store: &MetadataSubject) {
    let other = store.other().await;
    assert_eq!((store.files_version().await.expect("read"), store.sealed_files().await.expect("read")), (0, None));
    assert!(!store.replace_files(b"early".to_vec(), 1).await.expect("asked"), "version 1 does not exist yet");
    assert!(store.replace_files(b"\0first\xff".to_vec(), 0).await.expect("asked"));
    assert!(!other.replace_files(b"also first".to_vec(), 0).await.expect("asked"), "another was faster");
    let first = SealedFiles { version: 1, sealed: b"\0first\xff".to_vec() };
    assert_eq!(other.sealed_files().await.expect("read"), Some(first));
    assert!(other.replace_files(b"second".to_vec(), 1).await.expect("asked"));
    assert!(!store.replace_files(b"late".to_vec(), 1).await.expect("asked"));
    assert_eq!(store.files_version().await.expect("read"), 2);
    assert_eq!(store.sealed_files().await.expect("read"), Some(SealedFiles { version: 2, sealed: b"second".to_vec() }));
}

async fn of_many_who_replace_the_files_at_once_one_does(store: &MetadataSubject) {
    let other = store.other().await;
    for version in 0..5_i64 {
        let tries = (0..8_u8).map(|number| {
            let store = if number % 2 == 0 { &**store } else { &*other };
            async move { store.replace_files(vec![number], version).await.expect("asked") }
        });
        let won: Vec<usize> =
            join_all(tries).await.into_iter().enumerate().filter(|(_, won)| *won).map(|(number, _)| number).collect();
        let [winner] = won[..] else { panic!("version {version}: {won:?}") };
        let expected = SealedFiles { version: version + 1, sealed: vec![u8::try_from(winner).expect("few")] };
        assert_eq!(store.sealed_files().await.expect("read"), Some(expected));
    }
}
