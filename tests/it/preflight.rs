//! What a Postgres must be before Hookgate trusts it with events.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Condvar, Mutex};

use hookgate::embedded::{Durability, Embedded, EmbeddedConfig, Search};
use hookgate::store::preflight::{PreflightError, Safety, check};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

async fn postgres(data_dir: &Path, durability: Durability) -> Embedded {
    let config = EmbeddedConfig {
        data_dir: data_dir.to_owned(),
        search: Search {
            named: None,
            path: std::env::var_os("PATH"),
        },
        program: env!("CARGO_BIN_EXE_embedded_rig").into(),
        durability,
        identity: None,
    };
    Embedded::start(config).await.unwrap()
}

fn options(url: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(url).unwrap()
}

#[tokio::test]
async fn a_durable_server_is_accepted_until_a_setting_makes_it_unsafe() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = postgres(folder.path(), Durability::Full).await;
    let server = options(embedded.url());
    let facts = check(&server, Safety::Required).await.unwrap();
    assert!(facts.version.chars().next().unwrap().is_ascii_digit());
    assert_eq!(facts.unsafe_settings, Vec::<String>::new());

    let mut connection = PgConnection::connect_with(&server).await.unwrap();
    sqlx::query("alter role hookgate set synchronous_commit = off")
        .execute(&mut connection)
        .await
        .unwrap();
    let refused = check(&server, Safety::Required)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("synchronous_commit is off")
            && refused.contains("--allow-unsafe-postgres"),
        "{refused}"
    );
    connection.close().await.unwrap();
    embedded.stop().await;
}

#[tokio::test]
async fn a_server_without_durability_is_refused_unless_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = postgres(folder.path(), Durability::OffForTests).await;
    let server = options(embedded.url());
    let expected = ["fsync", "full_page_writes", "synchronous_commit"];
    match check(&server, Safety::Required).await {
        Err(PreflightError::UnsafeSettings { settings }) => assert_eq!(settings, expected),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        check(&server, Safety::UnsafeAllowed)
            .await
            .unwrap()
            .unsafe_settings,
        expected
    );
    embedded.stop().await;
}

#[tokio::test]
async fn a_transaction_pooler_is_refused_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = postgres(folder.path(), Durability::OffForTests).await;
    let socket = embedded.cluster().socket_folder().join(".s.PGSQL.5432");
    for (servers, order) in [
        (1, Order::LastIn),
        (2, Order::LastIn),
        (2, Order::FirstIn),
        (4, Order::FirstIn),
    ] {
        let address = Pooler::start(&socket, servers, order);
        let server = options(&format!(
            "postgres://hookgate@{address}/hookgate?sslmode=disable"
        ));
        match check(&server, Safety::UnsafeAllowed).await {
            Err(PreflightError::Pooler { evidence }) => {
                println!("{servers} servers, {order:?}: {evidence}")
            }
            other => panic!("{servers} servers, {order:?}: {other:?}"),
        }
    }
    embedded.stop().await;
}

/// Which idle server connection the next transaction gets.
#[derive(Clone, Copy, Debug)]
enum Order {
    LastIn,
    FirstIn,
}

/// A transaction pooler in little: a client has a server connection from the first query of a
/// transaction to its end. Understands the simple protocol only.
struct Pooler {
    idle: Mutex<VecDeque<UnixStream>>,
    returned: Condvar,
    order: Order,
    greeting: Vec<u8>,
}

impl Pooler {
    fn start(socket: &PathBuf, servers: usize, order: Order) -> SocketAddr {
        let mut idle = VecDeque::new();
        let mut greeting = Vec::new();
        for _ in 0..servers {
            let mut server = UnixStream::connect(socket).unwrap();
            let parameters = b"\0\x03\0\0user\0hookgate\0database\0hookgate\0\0";
            server
                .write_all(&u32::try_from(parameters.len() + 4).unwrap().to_be_bytes())
                .unwrap();
            server.write_all(parameters).unwrap();
            greeting.clear();
            while relay(&mut server, &mut greeting).unwrap().0 != b'Z' {}
            idle.push_back(server);
        }
        let pooler = Arc::new(Self {
            idle: Mutex::new(idle),
            returned: Condvar::new(),
            order,
            greeting,
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let pooler = pooler.clone();
                // A client that goes away ends its own thread only.
                std::thread::spawn(move || pooler.serve(client?));
            }
        });
        address
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        io::copy(
            &mut (&client).take(u64::from(u32::from_be_bytes(length)) - 4),
            &mut io::sink(),
        )?;
        client.write_all(&self.greeting)?;
        let mut held: Option<UnixStream> = None;
        loop {
            let mut query = Vec::new();
            if relay(&mut client, &mut query)?.0 == b'X' {
                return Ok(());
            }
            let mut server = held.take().unwrap_or_else(|| self.take());
            server.write_all(&query)?;
            let mut answer = Vec::new();
            let status = loop {
                if let (b'Z', status) = relay(&mut server, &mut answer)? {
                    break status;
                }
            };
            match status {
                b'I' => self.give_back(server),
                _ => held = Some(server),
            }
            client.write_all(&answer)?;
        }
    }

    fn take(&self) -> UnixStream {
        let mut idle = self
            .returned
            .wait_while(self.idle.lock().unwrap(), |idle| idle.is_empty())
            .unwrap();
        match self.order {
            Order::LastIn => idle.pop_back(),
            Order::FirstIn => idle.pop_front(),
        }
        .unwrap()
    }

    fn give_back(&self, server: UnixStream) {
        self.idle.lock().unwrap().push_back(server);
        self.returned.notify_one();
    }
}

/// Copies one message; returns its kind and its last byte.
fn relay(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<(u8, u8)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    to.extend_from_slice(&head);
    from.take(u64::from(length) - 4).read_to_end(to)?;
    Ok((head[0], *to.last().unwrap()))
}
