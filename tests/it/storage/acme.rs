//! The contract of `Metadata`: what ACME needs to remember.

use std::time::Duration;

use portcullis::storage::metadata::AcmeChallengeRecord;

use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    of_two_that_make_an_acme_account_one_does,
    acme_challenges_wait_until_they_expire,
    a_challenge_can_be_answered_by_another_node,
}

async fn of_two_that_make_an_acme_account_one_does(store: &MetadataSubject) {
    let directory = "https://ca.test/dir";
    assert_eq!(store.acme_account(directory).await.expect("read"), None);
    let other = store.other().await;
    let (one, two) = tokio::join!(
        store.keep_acme_account(directory, vec![1], None),
        other.keep_acme_account(directory, vec![1], None)
    );
    assert!(one.expect("answered") != two.expect("answered"));
    assert!(!store.keep_acme_account(directory, vec![2], None).await.expect("answered"));
    assert_eq!(store.acme_account(directory).await.expect("read"), Some(vec![1]));
    assert!(!store.keep_acme_account(directory, vec![2], Some(vec![3])).await.expect("answered"));
    assert!(store.keep_acme_account(directory, vec![2], Some(vec![1])).await.expect("replaced"));
    assert_eq!(store.acme_account(directory).await.expect("read"), Some(vec![2]));
    assert_eq!(store.acme_account("https://other.test/dir").await.expect("read"), None);
}

fn challenge(name: &str, token: &str, expires_at: i64) -> AcmeChallengeRecord {
    AcmeChallengeRecord {
        name: name.to_owned(),
        token: token.to_owned(),
        key_authorization: format!("{token}.thumbprint"),
        expires_at,
    }
}

async fn a_challenge_can_be_answered_by_another_node(store: &MetadataSubject) {
    let (other, pending) = (store.other().await, challenge("a.test", "1", BEGIN + 60));
    store.add_acme_challenges(vec![pending.clone()]).await.expect("added");
    assert_eq!(other.acme_challenges().await.expect("read"), [pending]);
}

async fn acme_challenges_wait_until_they_expire(store: &MetadataSubject) {
    let (late, early) = (i64::MAX, BEGIN + 60);
    let (a, b, expired) =
        (challenge("a.test", "1", late), challenge("b.test", "2", late), challenge("c.test", "3", early));
    store.add_acme_challenges(vec![b.clone(), expired.clone(), a.clone()]).await.expect("added");
    assert_eq!(store.acme_challenges().await.expect("read"), [a.clone(), b.clone(), expired.clone()]);
    store.clock.advance(Duration::from_mins(1));
    assert_eq!(store.acme_challenges().await.expect("read"), [a.clone(), b.clone()]);
    let again = AcmeChallengeRecord { key_authorization: "another".to_owned(), ..a };
    store.add_acme_challenges(vec![again.clone()]).await.expect("written over");
    assert_eq!(store.acme_challenges().await.expect("read"), [again.clone(), b.clone()]);
    store.remove_acme_challenges(vec![again, expired]).await.expect("removed");
    assert_eq!(store.acme_challenges().await.expect("read"), std::slice::from_ref(&b));
    store.remove_acme_challenges(vec![b]).await.expect("removed");
    assert!(store.acme_challenges().await.expect("read").is_empty());
}
