//! The contract of `Metadata`: what ACME needs to remember.

use portcullis::storage::metadata::{AcmeChallengeRecord, Metadata};

use crate::support::sqlite;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    of_two_that_make_an_acme_account_one_does(&*store).await;
    acme_challenges_wait_until_they_expire(&*store).await;
}

async fn of_two_that_make_an_acme_account_one_does(store: &dyn Metadata) {
    let directory = "https://ca.test/dir";
    assert_eq!(store.acme_account(directory).await.expect("read"), None);
    assert!(store.keep_acme_account(directory, vec![1], None).await.expect("kept"));
    assert!(!store.keep_acme_account(directory, vec![2], None).await.expect("answered"));
    assert_eq!(store.acme_account(directory).await.expect("read"), Some(vec![1]));
    assert!(!store.keep_acme_account(directory, vec![2], Some(vec![3])).await.expect("answered"));
    assert!(store.keep_acme_account(directory, vec![2], Some(vec![1])).await.expect("replaced"));
    assert_eq!(store.acme_account(directory).await.expect("read"), Some(vec![2]));
    assert_eq!(store.acme_account("https://other.test/dir").await.expect("read"), None);
}

async fn acme_challenges_wait_until_they_expire(store: &dyn Metadata) {
    let challenge = |name: &str, token: &str, expires_at| AcmeChallengeRecord {
        name: name.to_owned(),
        token: token.to_owned(),
        key_authorization: format!("{token}.thumbprint"),
        expires_at,
    };
    let (late, early) = (i64::MAX, 1_700_000_000);
    let (a, b, expired) =
        (challenge("a.test", "1", late), challenge("b.test", "2", late), challenge("c.test", "3", early));
    store.add_acme_challenges(vec![b.clone(), expired.clone(), a.clone()]).await.expect("added");
    assert_eq!(store.acme_challenges().await.expect("read"), [a.clone(), b.clone()]);
    let again = AcmeChallengeRecord { key_authorization: "another".to_owned(), ..a };
    store.add_acme_challenges(vec![again.clone()]).await.expect("written over");
    assert_eq!(store.acme_challenges().await.expect("read"), [again.clone(), b.clone()]);
    store.remove_acme_challenges(vec![again, expired]).await.expect("removed");
    assert_eq!(store.acme_challenges().await.expect("read"), std::slice::from_ref(&b));
    store.remove_acme_challenges(vec![b]).await.expect("removed");
    assert!(store.acme_challenges().await.expect("read").is_empty());
}
