//! Tries of sources that another node knows.

use super::*;
use crate::storage::metadata::sqlite;

#[tokio::test]
async fn a_source_of_another_node_has_a_few_tries_and_one_that_is_alone_tells_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite::open(&folder.path().join("metadata.db"), Clock::system()).await.expect("opens");
    let shared = SharedLogins::new(store, Clock::system());
    let (here, there) = (Network::of([192, 0, 2, 1].into()), Network::of([192, 0, 2, 2].into()));
    shared.elsewhere.insert(SharedSource { name_hash: [1; 32], network: here }, TRIES);
    assert!(!shared.may_try([1; 32], there) && !shared.may_try([2; 32], here));
    for _ in 0..TRIES {
        assert!(shared.may_try([1; 32], here) && shared.take_try([1; 32], here));
    }
    assert!(!shared.may_try([1; 32], here) && !shared.take_try([1; 32], here));

    shared.failed(here);
    shared.verified([1; 32], here);
    let (failures, sources) = shared.take_untold();
    assert!(failures.is_empty() && sources.is_empty(), "no one else serves from a file");
}
