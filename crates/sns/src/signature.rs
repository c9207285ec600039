//! The signature of what SNS sends, and the certificate by which it is verified.
//!
//! AWS: SNS Developer Guide, *Verifying the signatures of Amazon SNS messages*. The key is made when it is first needed and kept
//! in the store; its certificate is self-signed, since nobody else vouches for this server.

use std::convert::Infallible;
use std::str::FromStr as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Env, ServiceError};
use cauce_store::Record;
use rsa::PrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{Keypair as _, RandomizedSigner as _, SignatureEncoding as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::EncodePem as _;
use x509_cert::der::pem::LineEnding;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::error::Error;
use crate::keys;
use crate::model::SignatureVersion;
use crate::service::Sns;

/// The length of the key, in bits.
const KEY_BITS: usize = 2_048;

/// Whom the certificate names.
const SUBJECT: &str = "CN=sns.cauce.local";

/// The key and its certificate, as stored.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// PKCS #8, DER, in base64.
    key: String,
    /// PEM.
    certificate: String,
}

impl Record for Kept {
    const VERSION: u8 = 1;
}

/// Signs messages.
pub(crate) struct Signer {
    sha1: SigningKey<Sha1>,
    sha256: SigningKey<Sha256>,
    certificate: String,
    path: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the key that signs messages cannot be used: {0}")]
struct KeyTrouble(String);

fn trouble(cause: impl std::fmt::Display) -> Error {
    Error::Other(ServiceError::internal(KeyTrouble(cause.to_string())))
}

/// The entropy of the environment as the random source of the signature crate.
struct Chance<'e>(&'e Env);

impl TryRng for Chance<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.entropy().fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.entropy().u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.entropy().fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Chance<'_> {}

/// A certificate that vouches for itself.
struct SelfSigned(Name);

impl BuilderProfile for SelfSigned {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}

/// Makes a key and its certificate; takes about a second.
fn make(env: &Env) -> Result<Kept, Error> {
    let key = PrivateKey::new(&mut Chance(env), KEY_BITS).map_err(trouble)?;
    let der = key.to_pkcs8_der().map_err(trouble)?;
    let signing = SigningKey::<Sha256>::new(key);
    let now = u64::try_from(env.now().as_secs()).unwrap_or(0);
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now);
    // It never ends: what was signed stays verifiable as long as the data lives.
    let validity = Validity::new(Time::try_from(now).map_err(trouble)?, Time::INFINITY);
    let public = SubjectPublicKeyInfoOwned::from_key(&signing.verifying_key()).map_err(trouble)?;
    let subject = Name::from_str(SUBJECT).map_err(trouble)?;
    let mut serial = [0; 8];
    env.entropy().fill(&mut serial);
    // Positive and not zero, as serial numbers are.
    let serial = SerialNumber::from((u64::from_be_bytes(serial) >> 1) | 1);
    let builder = CertificateBuilder::new(SelfSigned(subject), serial, validity, public).map_err(trouble)?;
    let certificate = builder.build_with_rng(&signing, &mut Chance(env)).map_err(trouble)?;
    let certificate = certificate.to_pem(LineEnding::LF).map_err(trouble)?;
    Ok(Kept { key: STANDARD.encode(der.as_bytes()), certificate })
}

impl Signer {
    fn new(kept: &Kept) -> Result<Signer, Error> {
        let der = STANDARD.decode(&kept.key).map_err(trouble)?;
        let key = PrivateKey::from_pkcs8_der(&der).map_err(trouble)?;
        let hash = Sha256::digest(kept.certificate.as_bytes());
        let name: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let path = format!("{PATH_PREFIX}{name}{PATH_SUFFIX}");
        let (sha1, sha256) = (SigningKey::new(key.clone()), SigningKey::new(key));
        Ok(Signer { sha1, sha256, certificate: kept.certificate.clone(), path })
    }

    /// Where the certificate is served.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The certificate, PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    fn sign(&self, env: &Env, version: SignatureVersion, text: &str) -> Result<String, Error> {
        // Blinded: how long it takes says nothing of the key.
        let mut chance = Chance(env);
        let signature = match version {
            SignatureVersion::Sha1 => self.sha1.try_sign_with_rng(&mut chance, text.as_bytes()),
            SignatureVersion::Sha256 => self.sha256.try_sign_with_rng(&mut chance, text.as_bytes()),
        };
        Ok(STANDARD.encode(signature.map_err(trouble)?.to_bytes()))
    }
}

/// What paths of certificates begin and end with.
pub(crate) const PATH_PREFIX: &str = "/SimpleNotificationService-";
pub(crate) const PATH_SUFFIX: &str = ".pem";

impl Sns {
    /// The key, made if there is none yet.
    ///
    /// # Errors
    /// If the store cannot be read, or what it has is no key.
    pub(crate) async fn signer(&self) -> Result<&Arc<Signer>, Error> {
        self.signer
            .get_or_try_init(async || {
                if let Some(kept) = self.db.get::<Kept>(&keys::signer()).await? {
                    return Signer::new(&kept).map(Arc::new);
                }
                let env = self.env.clone();
                let made = tokio::task::spawn_blocking(move || make(&env)).await.map_err(trouble)??;
                // Another node may have been faster.
                let kept = self
                    .db
                    .transact(async |tx| {
                        if let Some(kept) = tx.get_record::<Kept>(&keys::signer()).await? {
                            return Ok::<_, Error>(Some(kept));
                        }
                        tx.set_record(keys::signer(), &made)?;
                        Ok(None)
                    })
                    .await?;
                Signer::new(&kept.unwrap_or(made)).map(Arc::new)
            })
            .await
    }

    /// The signature of a text, in base64.
    ///
    /// # Errors
    /// As [`Sns::signer`].
    pub(crate) async fn sign(&self, version: SignatureVersion, text: String) -> Result<String, Error> {
        let (signer, env) = (Arc::clone(self.signer().await?), self.env.clone());
        // About a millisecond of arithmetic, during which others would wait.
        tokio::task::spawn_blocking(move || signer.sign(&env, version, &text)).await.map_err(trouble)?
    }
}
