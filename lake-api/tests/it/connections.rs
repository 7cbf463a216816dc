//! Connections that are slow, many, silent, or there when the service stops.

use std::time::Duration;

use oscar_lake_api::config::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::World;

/// Far longer than anything here should take, and far shorter than the service's defaults
/// would allow a peer that it forgot.
const PATIENCE: Duration = Duration::from_secs(20);

async fn world(change: impl FnOnce(&mut Limits)) -> World {
    World::start_with(|config| change(&mut config.limits)).await
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.running.address()).await.unwrap()
}

/// Everything that comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset is an end too.
    let _ = read.expect("the connection was never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `text` has come.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(text) {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut byte)).await;
        read.expect("the answer never came").expect("the connection was closed");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

const KEYS: &[u8] = b"GET /v1/keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_no_head_or_half_a_head_loses_its_connection() {
    let world = world(|limits| limits.idle_seconds = 1).await;
    for sent in ["", "GET /v1/keys HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut stream = connect(&world).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert!(!rest(&mut stream).await.contains("200 OK"), "{sent:?}");
    }
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_kept_for_nothing_is_closed() {
    let world = world(|limits| limits.idle_seconds = 1).await;
    let mut stream = connect(&world).await;
    stream.write_all(b"GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_its_answers_loses_its_connection() {
    let world = world(|limits| limits.idle_seconds = 1).await;
    let mut stream = connect(&world).await;
    // Far more answers than the system's buffers take; the requests for them are small.
    let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
    for _ in 0..50 {
        stream.write_all(request).await.unwrap();
    }
    // Writing goes on until the service has closed its end.
    let refused = async {
        while stream.write_all(request).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the connection was never closed");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_answered_with_408() {
    let world = world(|limits| limits.request_seconds = 1).await;
    for framing in ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut stream = connect(&world).await;
        let head = "POST /v1/queries/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}{framing}").as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-timeout"), "{answer}");
    }
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_is_http_1_alone() {
    let world = world(|limits| limits.idle_seconds = 1).await;
    let mut stream = connect(&world).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let answer = rest(&mut stream).await;
    // A frame of settings would be the beginning of a conversation in HTTP/2.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_the_limit_wait_for_a_place_and_get_it() {
    let world = world(|limits| (limits.connections, limits.idle_seconds) = (3, 1)).await;
    let mut holders = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&world).await;
        stream.write_all(b"GET /v1/keys HTTP/1.1\r\n").await.unwrap();
        holders.push(stream);
    }
    let mut late = connect(&world).await;
    late.write_all(KEYS).await.unwrap();
    assert!(rest(&mut late).await.starts_with("HTTP/1.1 200 OK"));
    // The admin listener has places of its own.
    assert!(world.admin("/health").await.status().is_success());
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_and_one_that_smuggles_ends_the_connection() {
    let world = world(|_| {}).await;
    let mut stream = connect(&world).await;
    let requests = "GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.write_all(KEYS).await.unwrap();
    let answers = rest(&mut stream).await;
    let statuses: Vec<&str> = answers.matches("HTTP/1.1 200").chain(answers.matches("HTTP/1.1 404")).collect();
    assert_eq!(statuses.len(), 3, "{answers}");
    let mut stream = connect(&world).await;
    let two_lengths = "POST /v1/releases HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(two_lengths.as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert!(answers.starts_with("HTTP/1.1 4") && !answers.contains("200 OK"), "{answers}");
    world.running.shutdown().await;
}

/// A request that has arrived but for its last byte.
async fn begun(world: &World) -> TcpStream {
    let body = r#"{"sql":"SELECT 1"}"#;
    let head = format!(
        "POST /v1/queries/check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        world.token("anna"),
        body.len()
    );
    let mut stream = connect(world).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    until(&mut stream, "100 Continue\r\n\r\n").await;
    stream.write_all(&body.as_bytes()[..body.len() - 1]).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_request_in_flight_end_and_takes_no_new_one() {
    let world = world(|_| {}).await;
    let address = world.running.address();
    let mut stream = begun(&world).await;
    let mut idle = connect(&world).await;
    idle.write_all(b"GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    until(&mut idle, "}]}").await;
    let stopping = tokio::spawn(world.running.shutdown());
    // The idle connection goes at once; then the listener is closed too.
    assert_eq!(rest(&mut idle).await, "");
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "the service did not wait for the request in flight");
    stream.write_all(b"}").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    tokio::time::timeout(PATIENCE, stopping).await.expect("the service never stopped").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cuts_off_what_does_not_end_in_time() {
    let world = world(|limits| limits.drain_seconds = 1).await;
    let mut stream = begun(&world).await;
    tokio::time::timeout(PATIENCE, world.running.shutdown()).await.expect("the service never stopped");
    assert!(!rest(&mut stream).await.contains("200 OK"));
}
