//! Receivers behind certificates, good ones and nine kinds of bad ones, and what is asked of us.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;
use time::ext::NumericalDuration as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::tests::{post_by, trusting};
use super::*;
use crate::domain::access::{Access, AccessWish, Auth, Confidential, Mtls};

const NAME: &str = "receiver.test";

/// An authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(Self::params(name), key).unwrap())
    }

    /// One that this one vouches for.
    fn below(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = Self::params("between");
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        roots
    }

    /// A certificate for `name`, made otherwise by `adjust`.
    fn sign(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed {
            chain: vec![certificate.der().clone()],
            key,
        }
    }
}

/// What a side of a connection shows.
struct Signed {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Signed {
    /// Not checked: a server may show whatever it likes.
    fn identity(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .unwrap();
        Arc::new(CertifiedKey::new(self.chain.clone(), key))
    }
}

/// A receiver that shows `signed` and, where `clients` are named, wants a certificate of theirs.
async fn serve(signed: Signed, clients: Option<RootCertStore>) -> u16 {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(signed.identity())));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request).await {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                    let _ = stream.flush().await;
                }
            });
        }
    });
    port
}

async fn send(sender: &Sender, port: u16, access: &Access) -> Sent {
    let target = format!("https://{NAME}:{port}/");
    post_by(sender, &target, 10_000, access.tls.as_deref()).await
}

/// Answers every hello with TLS 1.1 and a cipher of that time.
async fn old_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4096];
        let _ = stream.read(&mut hello).await;
        let mut body = vec![3, 2];
        body.extend([7; 32]);
        body.extend([0, 0xc0, 0x13, 0]);
        let length = u8::try_from(body.len()).unwrap();
        let mut record = vec![22, 3, 2, 0, length + 4, 2, 0, 0, length];
        record.extend(body);
        let _ = stream.write_all(&record).await;
        let _ = stream.read(&mut hello).await;
    });
    port
}

/// The same certificate, said to be signed with ECDSA over SHA-224.
fn weakened(mut signed: Signed) -> Signed {
    const WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let mut der = signed.chain[0].to_vec();
    let mut found = 0;
    for at in 0..der.len() - WITH_SHA256.len() {
        if der[at..].starts_with(&WITH_SHA256) {
            der[at + 7] = 0x01;
            found += 1;
        }
    }
    assert_eq!(found, 2, "inside and outside of what is signed");
    signed.chain = vec![der.into()];
    signed
}

#[tokio::test]
async fn nine_bad_servers_are_refused_and_the_reason_is_recorded() {
    let authority = Authority::named("root");
    let sender = trusting(authority.roots());
    let now = OffsetDateTime::now_utc();
    let good = |adjust: fn(&mut CertificateParams)| authority.sign(NAME, adjust);

    let expired = authority.sign(NAME, |params| {
        params.not_before = now - 10.days();
        params.not_after = now - 1.days();
    });
    let early = authority.sign(NAME, |params| {
        params.not_before = now + 1.days();
        params.not_after = now + 10.days();
    });
    let self_signed = {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        Signed { chain, key }
    };
    let unknown = {
        let other = Authority::named("other");
        let mut signed = other.sign(NAME, |_| {});
        signed.chain.push(other.certificate());
        signed
    };
    let purpose = good(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    // The certificate between its own and the authority's is not shown.
    let broken_chain = authority.below().sign(NAME, |_| {});
    let servers = [
        (serve(expired, None).await, "expired"),
        (serve(early, None).await, "not valid yet"),
        (serve(self_signed, None).await, "UnknownIssuer"),
        (
            serve(authority.sign("other.test", |_| {}), None).await,
            "not valid for name",
        ),
        (serve(unknown, None).await, "UnknownIssuer"),
        (serve(weakened(good(|_| {})), None).await, "Signature"),
        (old_server().await, "incompatible"),
        (serve(purpose, None).await, "extended key usage"),
        (serve(broken_chain, None).await, "UnknownIssuer"),
    ];
    for (number, (port, words)) in servers.into_iter().enumerate() {
        let sent = send(&sender, port, &Access::default()).await;
        assert_eq!(sent.outcome, Outcome::Unreachable, "{number}: {sent:?}");
        let reason = sent.reason.unwrap();
        assert!(
            reason.starts_with("TLS failed: ") && reason.contains(words),
            "{number} should say {words}: {reason}"
        );
    }
    // And a good one, whose chain is whole, is let through.
    let between = authority.below();
    let mut whole = between.sign(NAME, |_| {});
    whole.chain.push(between.certificate());
    let sent = send(&sender, serve(whole, None).await, &Access::default()).await;
    assert_eq!(sent.outcome, Outcome::Accepted, "{sent:?}");
}

#[tokio::test]
async fn a_subscription_s_own_authority_stands_instead_of_the_system_s() {
    let (public, own) = (Authority::named("public"), Authority::named("own"));
    let sender = trusting(public.roots());
    let access = Access::new(AccessWish {
        auth: None,
        ca_pem: Some(own.0.pem().into()),
    })
    .unwrap();
    let of_public = serve(public.sign(NAME, |_| {}), None).await;
    let of_own = serve(own.sign(NAME, |_| {}), None).await;
    let none = Access::default();
    for (port, access, expected) in [
        (of_public, &none, Outcome::Accepted),
        (of_public, &access, Outcome::Unreachable),
        (of_own, &none, Outcome::Unreachable),
        (of_own, &access, Outcome::Accepted),
        // Connections that one of them made are none of the other's.
        (of_own, &none, Outcome::Unreachable),
    ] {
        let sent = send(&sender, port, access).await;
        assert_eq!(sent.outcome, expected, "{sent:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_to_know_us_is_shown_the_subscription_s_certificate() {
    let authority = Authority::named("root");
    let sender = trusting(authority.roots());
    let client = authority.sign("gateway.test", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let cert_pem = pem(&client.chain[0]);
    let access = |key: &KeyPair| {
        Access::new(AccessWish {
            auth: Some(Auth::Mtls(Mtls {
                cert_pem: cert_pem.as_str().into(),
                key_pem: Some(Confidential::new(&key.serialize_pem())),
            })),
            ca_pem: None,
        })
    };
    assert!(access(&KeyPair::generate().unwrap()).is_err());
    let access = access(&client.key).unwrap();
    let port = serve(authority.sign(NAME, |_| {}), Some(authority.roots())).await;
    let sent = send(&sender, port, &Access::default()).await;
    assert_eq!(sent.outcome, Outcome::Unreachable, "{sent:?}");
    for _ in 0..2 {
        let sent = send(&sender, port, &access).await;
        assert_eq!(sent.outcome, Outcome::Accepted, "{sent:?}");
    }
}

fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
