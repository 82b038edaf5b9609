//! Pulls and lists: blobs in ranges, tags, repositories, search, referrers; paged as clients page.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::{Actor, Image, Server, header};

#[tokio::test]
async fn a_blob_is_read_in_ranges_of_every_form() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let blob = b"0123456789";
    let path = format!("/v2/alice/app/blobs/{}", push_blob(&alice, "alice/app", blob).await);
    for who in [&alice, &server.alice_over_http1()] {
        let get = async |range: &str| who.send(who.bare(Method::GET, &path).header("range", range)).await;
        for (range, expected, content) in [
            ("bytes=0-0", "bytes 0-0/10", "0"),
            ("bytes=2-5", "bytes 2-5/10", "2345"),
            ("bytes=7-", "bytes 7-9/10", "789"),
            ("bytes=-3", "bytes 7-9/10", "789"),
            ("bytes=-99", "bytes 0-9/10", "0123456789"),
            ("bytes=5-99999999999999999999", "bytes 5-9/10", "56789"),
        ] {
            let response = get(range).await;
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(header(&response, "content-range"), expected);
            assert_eq!(header(&response, "content-length"), content.len().to_string());
            assert_eq!(response.text().await.expect("text"), content, "{range}");
        }
        for range in ["bytes=10-", "bytes=500-0", "bytes=10-20", "bytes=-0"] {
            let response = get(range).await;
            assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(header(&response, "content-range"), "bytes */10");
        }
        for range in ["lines=1-2", "bytes=x-y", "bytes=0-1,3-4"] {
            assert_eq!(get(range).await.status(), StatusCode::OK, "ignored: {range}");
        }
        let tag = format!("\"{}\"", digest(blob));
        let ranged =
            |name: &str, value: &str| who.bare(Method::GET, &path).header("range", "bytes=0-1").header(name, value);
        assert_eq!(who.send(ranged("if-range", &tag)).await.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(who.send(ranged("if-range", "\"other\"")).await.status(), StatusCode::OK);
        assert_eq!(who.send(ranged("if-none-match", &tag)).await.status(), StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn all_of_an_empty_blob_is_not_an_error() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let path = format!("/v2/alice/app/blobs/{}", push_blob(&alice, "alice/app", b"").await);
    let get = async |range: &str| alice.send(alice.bare(Method::GET, &path).header("range", range)).await;
    for range in ["bytes=0-", "bytes=0-0", "bytes=0-99", "bytes=-5"] {
        let response = get(range).await;
        assert_eq!((response.status(), header(&response, "content-length").as_str()), (StatusCode::OK, "0"), "{range}");
        assert_eq!(header(&response, "content-range"), "", "{range}");
    }
    for range in ["bytes=1-", "bytes=1-2", "bytes=-0"] {
        assert_eq!(get(range).await.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
    }
}

#[tokio::test]
async fn what_the_client_has_is_described_with_its_own_length_or_none() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("a");
    image.push(&alice, "alice/app", "v1").await;
    for who in [&alice, &server.alice_over_http1()] {
        for (path, content) in [
            ("/v2/alice/app/manifests/v1".to_owned(), &image.manifest),
            (format!("/v2/alice/app/blobs/{}", digest(&image.layer)), &image.layer),
        ] {
            let tag = format!("\"{}\"", digest(content));
            for method in [Method::GET, Method::HEAD] {
                let asked = who.bare(method.clone(), &path).header("if-none-match", &tag);
                let response = who.send(asked).await;
                assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{method} {path}");
                let length = header(&response, "content-length");
                assert!(length.is_empty() || length == content.len().to_string(), "{method} {path}: {length}");
                assert_eq!((header(&response, "etag"), response.bytes().await.expect("none").len()), (tag.clone(), 0));
            }
        }
        assert_eq!(who.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK, "the connection is in order");
    }
}

#[tokio::test]
async fn head_says_as_much_as_get_on_both_versions_of_http() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("a");
    image.push(&alice, "alice/app", "v1").await;
    for who in [&alice, &server.alice_over_http1()] {
        for (path, length) in [
            ("/v2/alice/app/manifests/v1".to_owned(), image.manifest.len()),
            (format!("/v2/alice/app/manifests/{}", image.digest()), image.manifest.len()),
            (format!("/v2/alice/app/blobs/{}", digest(&image.layer)), image.layer.len()),
        ] {
            let (head, get) = (who.head(&path).await, who.get(&path).await);
            assert_eq!((head.status(), get.status()), (StatusCode::OK, StatusCode::OK), "{path}");
            assert_eq!(header(&head, "content-length"), length.to_string(), "{path}");
            for name in ["content-length", "content-type", "docker-content-digest", "etag", "accept-ranges"] {
                assert_eq!(header(&head, name), header(&get, name), "{name} of {path}");
            }
            assert!(
                !get.headers().contains_key("content-encoding") && !get.headers().contains_key("transfer-encoding")
            );
            assert_eq!(head.bytes().await.expect("no body").len(), 0);
        }
    }
}

/// Follows `Link` until there is none; the names of every page.
async fn pages(who: &Actor, first: &str, key: &str) -> Vec<Vec<String>> {
    let (mut next, mut pages) = (Some(first.to_owned()), Vec::new());
    while let Some(path) = next {
        let response = who.get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let link = header(&response, "link");
        next = link.strip_prefix('<').map(|link| link.split_once(">; rel=\"next\"").expect("a next page").0.to_owned());
        assert!(next.is_none() == link.is_empty(), "{link}");
        let body: Value = response.json().await.expect("JSON");
        let names = body[key].as_array().expect("a list, never null").iter();
        pages.push(names.map(|name| name.as_str().expect("text").to_owned()).collect());
        assert!(pages.len() < 20, "an end");
    }
    pages
}

#[tokio::test]
async fn tags_and_repositories_are_paged_by_key() {
    let (_server, admin, alice, _) = Server::start_with_people().await;
    let image = Image::of("a");
    for tag in ["b", "a", "C", "v1.10", "v1.9", "_", "z"] {
        image.push(&alice, "alice/app", tag).await;
    }
    let sorted = ["C", "_", "a", "b", "v1.10", "v1.9", "z"];
    let list = "/v2/alice/app/tags/list";
    assert_eq!(pages(&alice, list, "tags").await, [sorted.to_vec()]);
    let paged = pages(&alice, &format!("{list}?n=3"), "tags").await;
    assert_eq!(paged, [&sorted[..3], &sorted[3..6], &sorted[6..]]);
    assert_eq!(pages(&alice, &format!("{list}?n=7"), "tags").await.len(), 1, "no page after the last");
    assert_eq!(pages(&alice, &format!("{list}?last=b"), "tags").await, [&sorted[4..]], "exclusive");
    assert_eq!(pages(&alice, &format!("{list}?last=between"), "tags").await, [&sorted[4..]]);
    assert_eq!(pages(&alice, &format!("{list}?n=0"), "tags").await, [Vec::<String>::new()]);

    for repository in ["public/a", "alice/b", "x/y/z"] {
        image.push(&admin, repository, "v1").await;
    }
    let all = pages(&admin, "/v2/_catalog?n=1", "repositories").await.concat();
    assert_eq!(all, ["alice/app", "alice/b", "public/a", "x/y/z"]);
    let seen = pages(&alice, "/v2/_catalog?n=1", "repositories").await.concat();
    assert_eq!(seen, ["alice/app", "alice/b"], "what alice may pull");
    let search: Value = alice.get("/v1/search?q=app").await.json().await.expect("JSON");
    assert_eq!((&search["num_results"], &search["results"][0]["name"]), (&json!(1), &json!("alice/app")));
    let search: Value = alice.get("/v1/search?q=public&n=5").await.json().await.expect("JSON");
    assert_eq!(search["results"], json!([]), "not what she may not pull");
    assert_eq!(alice.get("/v1/_ping").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_page_size_does_harm() {
    let (server, _, alice, _) = Server::start_with_people().await;
    Image::of("a").push(&alice, "alice/app", "v1").await;
    let subject = Image::of("a").digest();
    let before = resident_kilobytes(server.pid());
    for path in ["/v2/alice/app/tags/list", "/v2/_catalog", "/v1/search", &format!("/v2/alice/app/referrers/{subject}")]
    {
        for (n, status) in [
            ("0", 200),
            ("1", 200),
            ("2147483648", 200),
            ("9223372036854775808", 200),
            ("99999999999999999999999999", 200),
            ("-1", 400),
            ("text", 400),
            ("", 400),
            ("1e9", 400),
        ] {
            let response = alice.get(&format!("{path}?n={n}")).await;
            assert_eq!(response.status(), status, "{path}?n={n}");
        }
    }
    let grown = resident_kilobytes(server.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB");
}

fn resident_kilobytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of memory");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// An artifact that refers to `subject`; its digest.
async fn attach(who: &Actor, subject: &Image, kind: &str, number: usize) -> String {
    let config = push_blob(who, "alice/app", b"{}").await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": kind,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}, "layers": [],
        "subject": {"mediaType": MANIFEST_TYPE, "digest": subject.digest(), "size": subject.manifest.len()},
        "annotations": {"number": number.to_string()},
    });
    let content = manifest.to_string();
    let own = digest(content.as_bytes());
    let response = who.put(&format!("/v2/alice/app/manifests/{own}"), MANIFEST_TYPE, content).await;
    assert_eq!(header(&response, "oci-subject"), subject.digest());
    own
}

#[tokio::test]
async fn referrers_are_filtered_paged_and_include_the_fallback_tag() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let (_server, _, alice, _) = Server::start_with_people().await;
    let subject = Image::of("subject");
    let path = format!("/v2/alice/app/referrers/{}", subject.digest());
    let nothing = alice.get(&path).await;
    assert_eq!((nothing.status(), header(&nothing, "content-type")), (StatusCode::OK, INDEX.to_owned()));
    let nothing: Value = nothing.json().await.expect("JSON");
    assert_eq!(
        (&nothing["schemaVersion"], &nothing["manifests"]),
        (&json!(2), &json!([])),
        "for a repository never pushed to"
    );
    assert_eq!(alice.get("/v2/alice/app/referrers/sha256:0").await.status(), StatusCode::BAD_REQUEST);

    // Before its subject is there.
    let signature = attach(&alice, &subject, "application/signature", 0).await;
    subject.push(&alice, "alice/app", "v1").await;
    let mut boms = Vec::new();
    for number in 1..4 {
        boms.push(attach(&alice, &subject, "application/bom", number).await);
    }
    boms.sort();
    let list = async |query: &str| {
        let response = alice.get(&format!("{path}{query}")).await;
        let (filters, link) = (header(&response, "oci-filters-applied"), header(&response, "link"));
        let body: Value = response.json().await.expect("JSON");
        (body["manifests"].as_array().expect("a list").clone(), filters, link)
    };
    let (all, filters, _) = list("").await;
    assert_eq!((all.len(), filters.as_str()), (4, ""));
    assert!(all.iter().all(|entry| entry["annotations"]["number"].is_string() && entry["size"].is_number()), "{all:?}");
    let (signatures, filters, _) = list("?artifactType=application/signature").await;
    assert_eq!((signatures.len(), &signatures[0]["digest"]), (1, &json!(signature)));
    assert_eq!(filters, "artifactType");

    let (first, _, link) = list("?artifactType=application/bom&n=2").await;
    let next = link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("a next page").0.to_owned();
    let (second, _, end) = list(next.strip_prefix(&path).expect("the same list")).await;
    let found: Vec<&str> = first.iter().chain(&second).filter_map(|entry| entry["digest"].as_str()).collect();
    assert_eq!((found, end.as_str()), (boms.iter().map(String::as_str).collect(), ""));

    // What an older client left behind.
    let old = Image::of("old attachment");
    old.push(&alice, "alice/app", "old").await;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST_TYPE, "digest": old.digest(), "size": old.manifest.len(), "artifactType": "application/old"},
        {"mediaType": MANIFEST_TYPE, "digest": signature, "size": 1, "artifactType": "application/signature"},
    ]});
    let tag = subject.digest().replace(':', "-");
    let pushed = alice.put(&format!("/v2/alice/app/manifests/{tag}"), INDEX, index.to_string()).await;
    assert_eq!(pushed.status(), StatusCode::CREATED, "{}", pushed.text().await.expect("text"));
    assert_eq!(list("").await.0.len(), 5, "one more, and none twice");
    assert_eq!(list("?artifactType=application/old").await.0[0]["digest"], old.digest());
}
