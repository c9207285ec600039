//! ListObjects and ListObjectsV2 through the service.

use crate::harness::Harness;

async fn fill(h: &Harness, keys: &[&str]) {
    for key in keys {
        h.ok(&format!("PUT /b01/{key}"), b"x").await;
    }
}

#[tokio::test]
async fn objects_are_listed_with_what_is_known_of_them() {
    let h = Harness::with_bucket().await;
    fill(&h, &["a%20b", "d/1", "d/2", "e%26"]).await;
    let all = h.ok("GET /b01?list-type=2", b"").await;
    assert_eq!(all.elements("Key"), ["a b", "d/1", "d/2", "e&amp;"]);
    assert_eq!(
        (all.element("KeyCount"), all.element("IsTruncated"), all.element("Size")),
        ("4".into(), "false".into(), "1".into())
    );
    assert_eq!(all.element("StorageClass"), "STANDARD");
    assert_eq!(all.elements("Owner").len(), 0);
    assert_eq!(h.ok("GET /b01?list-type=2&fetch-owner=true", b"").await.elements("Owner").len(), 4);
    let url = h.ok("GET /b01?list-type=2&encoding-type=url&delimiter=/", b"").await;
    assert_eq!(url.elements("Key"), ["a%20b", "e%26"]);
    assert_eq!((url.element("EncodingType"), url.element("Delimiter")), ("url".into(), "/".into()));
    assert!(url.text().contains("<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"));
    assert_eq!(h.ok("GET /b01?list-type=2&prefix=d/", b"").await.elements("Key"), ["d/1", "d/2"]);
    assert_eq!(h.ok("GET /b01?list-type=2&start-after=d/1", b"").await.elements("Key"), ["d/2", "e&amp;"]);
    assert_eq!(h.ok("GET /b01?list-type=2&max-keys=0", b"").await.element("IsTruncated"), "false");
    h.refused("GET /b01?list-type=2&max-keys=x", b"", 400, "InvalidArgument").await;
    h.refused("GET /b01?list-type=2&max-keys=-1", b"", 400, "InvalidArgument").await;
    h.refused("GET /b01?list-type=2&continuation-token=!", b"", 400, "InvalidArgument").await;
    h.refused("GET /b01?encoding-type=x", b"", 400, "InvalidArgument").await;
}

#[tokio::test]
async fn pages_follow_each_other_in_both_versions() {
    let h = Harness::with_bucket().await;
    fill(&h, &["a", "b/1", "b/2", "b/3", "c", "d/1", "e"]).await;
    let (mut got, mut token) = (Vec::new(), String::new());
    loop {
        let page = h.ok(&format!("GET /b01?list-type=2&delimiter=/&max-keys=2{token}"), b"").await;
        got.extend(page.elements("Key"));
        got.extend(page.elements("CommonPrefixes><Prefix"));
        if page.element("IsTruncated") == "false" {
            break;
        }
        token = format!("&continuation-token={}", page.element("NextContinuationToken"));
    }
    assert_eq!(got, ["a", "b/", "c", "d/", "e"]);

    let (mut got, mut marker) = (Vec::new(), String::new());
    loop {
        let page = h.ok(&format!("GET /b01?delimiter=/&max-keys=1&marker={marker}"), b"").await;
        got.extend(page.elements("Key"));
        got.extend(page.elements("CommonPrefixes><Prefix"));
        if page.element("IsTruncated") == "false" {
            break;
        }
        marker = page.element("NextMarker");
    }
    assert_eq!(got, ["a", "b/", "c", "d/", "e"]);
}

#[tokio::test]
async fn a_long_list_is_read_in_pieces() {
    let h = Harness::with_bucket().await;
    let keys: Vec<String> = (0..1_100).map(|n| format!("p{}/{n:04}", n % 3)).collect();
    fill(&h, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let page = h.ok("GET /b01?list-type=2", b"").await;
    assert_eq!((page.elements("Key").len(), page.element("IsTruncated")), (1_000, "true".into()));
    let rest = format!("GET /b01?list-type=2&continuation-token={}", page.element("NextContinuationToken"));
    assert_eq!(h.ok(&rest, b"").await.elements("Key").len(), 100);
    let rolled = h.ok("GET /b01?list-type=2&delimiter=/", b"").await;
    assert_eq!(rolled.elements("CommonPrefixes><Prefix"), ["p0/", "p1/", "p2/"]);
}
