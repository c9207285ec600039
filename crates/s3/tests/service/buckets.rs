//! Buckets and their configuration, policies, and who may.

use std::sync::Arc;

use crate::harness::{Harness, call};
use cauce_core::{Principal, Region};
use cauce_s3::Body;

#[tokio::test]
async fn buckets_are_made_found_listed_and_deleted() {
    let h = Harness::new().await;
    assert_eq!(h.ok("PUT /b01", b"").await.header("location"), "/b01");
    // The oldest region says 200 to the owner of the bucket.
    h.ok("PUT /b01", b"").await;
    h.refused("PUT /B", b"", 400, "InvalidBucketName").await;
    let mut elsewhere = call();
    elsewhere.region = Region::new("eu-west-1").unwrap();
    let configuration =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let make = async || {
        let body = Body::from_bytes(configuration);
        h.send_as(elsewhere.clone(), "PUT /b02", body, configuration.len()).await
    };
    assert_eq!(make().await.status, 200);
    assert_eq!(make().await.element("Code"), "BucketAlreadyOwnedByYou");
    assert_eq!(
        h.ok("GET /b02?location", b"")
            .await
            .element("LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""),
        "eu-west-1"
    );
    assert!(h.ok("GET /b01?location", b"").await.text().contains("2006-03-01/\"></LocationConstraint>"));
    assert_eq!(h.ok("HEAD /b02", b"").await.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(h.send("HEAD /b03", b"").await.status, 404);
    assert_eq!(h.ok("GET /", b"").await.elements("Name"), ["b01", "b02"]);
    let page = h.ok("GET /?max-buckets=1", b"").await;
    assert_eq!(page.elements("Name"), ["b01"]);
    let next =
        h.ok(&format!("GET /?max-buckets=1&continuation-token={}", page.element("ContinuationToken")), b"").await;
    assert_eq!((next.elements("Name"), next.element("ContinuationToken")), (vec!["b02".to_owned()], String::new()));
    assert_eq!(h.ok("GET /?prefix=b02", b"").await.elements("Name"), ["b02"]);

    h.ok("PUT /b01/k", b"x").await;
    h.refused("DELETE /b01", b"", 409, "BucketNotEmpty").await;
    h.ok("DELETE /b01/k", b"").await;
    let upload = h.ok("POST /b01/k?uploads", b"").await.element("UploadId");
    h.ok(&format!("PUT /b01/k?uploadId={upload}&partNumber=1"), vec![1; 20_000]).await;
    assert_eq!(h.ok("DELETE /b01", b"").await.status, 204);
    h.refused("GET /b01", b"", 404, "NoSuchBucket").await;
    h.files_become(0).await;
    h.ok("PUT /b01", b"").await;
    assert_eq!(h.ok("GET /b01?uploads", b"").await.elements("Upload").len(), 0);
}

#[tokio::test]
async fn hosts_name_buckets_too() {
    let h = Harness::with_bucket().await;
    for host in ["b01.s3.localhost:4566", "b01.s3.us-east-1.amazonaws.com", "b01.localhost:4566"] {
        let mut call = call();
        call.host = host.into();
        let put = h.send_as(call.clone(), "PUT /a/k", Body::from_bytes("x"), 1).await;
        assert_eq!(put.status, 200, "{}", put.text());
        let got = h.send_as(call, "GET /a/k", Body::from_bytes(""), 0).await;
        assert_eq!(got.text(), "x");
    }
}

#[tokio::test]
async fn configuration_is_set_read_and_removed() {
    let h = Harness::with_bucket().await;
    // What a new bucket has.
    assert_eq!(h.ok("GET /b01?encryption", b"").await.element("SSEAlgorithm"), "AES256");
    assert_eq!(h.ok("GET /b01?publicAccessBlock", b"").await.element("BlockPublicPolicy"), "true");
    assert_eq!(h.ok("GET /b01?ownershipControls", b"").await.element("ObjectOwnership"), "BucketOwnerEnforced");
    assert_eq!(h.ok("GET /b01?versioning", b"").await.elements("Status").len(), 0);
    assert_eq!(h.ok("GET /b01?acl", b"").await.element("Permission"), "FULL_CONTROL");
    h.refused("GET /b01?tagging", b"", 404, "NoSuchTagSet").await;
    h.refused("GET /b01?policy", b"", 404, "NoSuchBucketPolicy").await;
    h.refused("GET /b01?lifecycle", b"", 404, "NoSuchLifecycleConfiguration").await;

    let encryption = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";
    h.ok("PUT /b01?encryption", encryption).await;
    assert_eq!(h.ok("GET /b01?encryption", b"").await.element("SSEAlgorithm"), "aws:kms");
    assert_eq!(h.ok("PUT /b01/k", b"").await.header("x-amz-server-side-encryption"), "aws:kms");
    h.ok("DELETE /b01?encryption", b"").await;
    assert_eq!(h.ok("GET /b01?encryption", b"").await.element("SSEAlgorithm"), "AES256");

    let block =
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
    h.ok("PUT /b01?publicAccessBlock", block).await;
    let got = h.ok("GET /b01?publicAccessBlock", b"").await;
    assert_eq!((got.element("BlockPublicAcls"), got.element("BlockPublicPolicy")), ("true".into(), "false".into()));
    h.ok("DELETE /b01?publicAccessBlock", b"").await;
    h.refused("GET /b01?publicAccessBlock", b"", 404, "NoSuchPublicAccessBlockConfiguration").await;

    h.ok("PUT /b01?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>").await;
    assert_eq!(h.ok("GET /b01?tagging", b"").await.element("Key"), "a");
    h.ok("DELETE /b01?tagging", b"").await;
    let rule = "<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    h.ok("PUT /b01?lifecycle", rule).await;
    assert_eq!(h.ok("GET /b01?lifecycle", b"").await.element("Days"), "1");
    h.ok("DELETE /b01?lifecycle", b"").await;
    h.ok("PUT /b01?acl\nx-amz-acl: private", b"").await;
    h.refused("PUT /b01?acl\nx-amz-acl: public-read", b"", 400, "AccessControlListNotSupported").await;
    h.refused("PUT /b02\nx-amz-acl: public-read", b"", 400, "InvalidBucketAclWithObjectOwnership").await;
    h.refused("GET /b01?cors", b"", 501, "NotImplemented").await;
    h.refused("PUT /b01?versioning", "<VersioningConfiguration/>", 400, "IllegalVersioningConfigurationException")
        .await;
    h.refused("PUT /b01?versioning", "", 400, "MissingRequestBodyError").await;
    h.refused("PUT /b01?versioning", "<x", 400, "MalformedXML").await;
    let owner = h.send("HEAD /b01\nx-amz-expected-bucket-owner: 111111111111", b"").await;
    assert_eq!(owner.status, 403);
}

#[tokio::test]
async fn policies_are_checked_kept_and_asked() {
    let h = Harness::with_bucket().await;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b01/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    h.ok("PUT /b01?policy", deny).await;
    assert_eq!(h.ok("GET /b01?policy", b"").await.text(), deny);
    assert_eq!(h.ok("GET /b01?policyStatus", b"").await.element("IsPublic"), "false");
    h.refused("PUT /b01?policy", "[]", 400, "MalformedPolicy").await;
    let public = deny.replace("Deny", "Allow");
    h.refused("PUT /b01?policy", &public, 403, "AccessDenied").await;
    h.ok("DELETE /b01?publicAccessBlock", b"").await;
    h.ok("PUT /b01?policy", &public).await;
    assert_eq!(h.ok("GET /b01?policyStatus", b"").await.element("IsPublic"), "true");
    h.ok("DELETE /b01?policy", b"").await;
    h.refused("GET /b01?policy", b"", 404, "NoSuchBucketPolicy").await;
}

#[tokio::test]
async fn every_operation_asks_for_its_action_on_its_resource() {
    let h = Harness::with_bucket().await;
    h.ok("PUT /b01/k", b"x").await;
    let check = async |request: &str, expect: &[(&str, &str)]| {
        h.policies.asked.lock().clear();
        h.send(request, b"").await;
        let asked = h.policies.asked.lock().clone();
        let asked: Vec<(&str, &str)> = asked.iter().map(|(a, r)| (a.as_str(), r.as_str())).collect();
        assert_eq!(asked, expect, "{request}");
    };
    let (bucket, object, tagged) = ("arn:aws:s3:::b01", "arn:aws:s3:::b01/k", "arn:aws:s3:::b01/tagged");
    check("GET /", &[("s3:ListAllMyBuckets", "*")]).await;
    check("PUT /b09", &[("s3:CreateBucket", "arn:aws:s3:::b09")]).await;
    check("HEAD /b01", &[("s3:ListBucket", bucket)]).await;
    check("GET /b01?list-type=2", &[("s3:ListBucket", bucket)]).await;
    check("GET /b01?versions", &[("s3:ListBucketVersions", bucket)]).await;
    check("GET /b01?encryption", &[("s3:GetEncryptionConfiguration", bucket)]).await;
    check("GET /b01/k", &[("s3:GetObject", object)]).await;
    check("GET /b01/k?versionId=null", &[("s3:GetObjectVersion", object)]).await;
    check("GET /b01/n", &[("s3:GetObject", "arn:aws:s3:::b01/n"), ("s3:ListBucket", bucket)]).await;
    check("PUT /b01/k", &[("s3:PutObject", object)]).await;
    check("PUT /b01/tagged\nx-amz-tagging: a=b", &[("s3:PutObject", tagged), ("s3:PutObjectTagging", tagged)]).await;
    check("PUT /b01/l\nx-amz-copy-source: b01/k", &[("s3:PutObject", "arn:aws:s3:::b01/l"), ("s3:GetObject", object)])
        .await;
    // The tags of the source are copied too.
    check(
        "PUT /b01/m\nx-amz-copy-source: b01/tagged",
        &[
            ("s3:PutObject", "arn:aws:s3:::b01/m"),
            ("s3:GetObject", "arn:aws:s3:::b01/tagged"),
            ("s3:GetObjectTagging", "arn:aws:s3:::b01/tagged"),
            ("s3:PutObjectTagging", "arn:aws:s3:::b01/m"),
        ],
    )
    .await;
    check("POST /b01/k?uploads", &[("s3:PutObject", object)]).await;
    check("DELETE /b01/k?versionId=null", &[("s3:DeleteObjectVersion", object)]).await;
}

#[tokio::test]
async fn the_denied_hear_why_and_strangers_hear_nothing() {
    let h = Harness::with_bucket().await;
    h.policies.denied.lock().push("s3:GetObject".to_owned());
    let refused = h.refused("GET /b01/k", b"", 403, "AccessDenied").await;
    assert_eq!(
        refused.element("Message"),
        "User: arn:aws:iam::000000000000:root is not authorized to perform: s3:GetObject on resource: \
         \"arn:aws:s3:::b01/k\" because no identity-based policy allows the s3:GetObject action"
    );
    // Without leave to list, what is missing looks like what is forbidden.
    h.policies.denied.lock().clear();
    h.policies.denied.lock().push("s3:ListBucket".to_owned());
    h.refused("GET /b01/none", b"", 403, "AccessDenied").await;
    h.policies.denied.lock().clear();
    let mut stranger = call();
    stranger.principal = Arc::new(Principal::Anonymous);
    let get = async || h.send_as(stranger.clone(), "GET /b01/none", Body::from_bytes(""), 0).await;
    let refused = get().await;
    assert_eq!((refused.status, refused.element("Message")), (403, "Access Denied".to_owned()));
    h.ok("DELETE /b01?publicAccessBlock", b"").await;
    let public =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b01/*"}}"#;
    h.ok("PUT /b01?policy", public).await;
    assert_eq!(get().await.status, 404);
    let block = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    h.ok("PUT /b01?publicAccessBlock", block).await;
    assert_eq!(get().await.status, 403);
}
