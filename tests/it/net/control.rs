//! The control socket, with the client that the command line uses.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use heimpost::net::Counters;
use heimpost::net::control::{self, Control, Handler, SOCKET_NAME};
use heimpost::net::shutdown::{Shutdown, Stopped};
use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tokio::time::timeout;

fn serve(dir: &Path, handler: Handler, counters: &Counters) -> Shutdown {
    let shutdown = Shutdown::new();
    let control = Control::bind(dir).unwrap();
    tokio::spawn(control.serve(handler, counters.clone(), shutdown.token()));
    shutdown
}

fn call(dir: &Path, request: &str) -> JoinHandle<Vec<String>> {
    let (dir, request) = (dir.to_owned(), request.to_owned());
    spawn_blocking(move || {
        let mut lines = Vec::new();
        let connection = control::connect(&dir).unwrap().unwrap();
        connection
            .call(&request, |line| {
                lines.push(line.to_owned());
                ControlFlow::Continue(())
            })
            .unwrap();
        lines
    })
}

fn counting() -> Handler {
    control::handler(|request, replies| {
        for number in 0..request.parse().unwrap() {
            replies.send(format!("{number}")).unwrap();
        }
    })
}

async fn stop(shutdown: Shutdown) -> Stopped {
    shutdown
        .stop(Duration::from_hours(1), std::future::pending())
        .await
}

#[tokio::test]
async fn many_clients_are_served_and_the_socket_goes_with_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    // A deep data directory does not fit into a socket address.
    let deep = dir.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    std::fs::write(deep.join(SOCKET_NAME), "stale").unwrap();
    let shutdown = serve(&deep, counting(), &Counters::default());
    let mode = std::fs::metadata(deep.join(SOCKET_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let clients: Vec<_> = (0..40).map(|_| call(&deep, "300")).collect();
    for client in clients {
        let lines = client.await.unwrap();
        assert_eq!(lines.len(), 300);
        assert_eq!(lines.last().unwrap(), "299");
    }
    assert_eq!(stop(shutdown).await, Stopped::Clean);
    assert!(control::connect(&deep).unwrap().is_none());
}

#[tokio::test]
async fn no_daemon_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(control::connect(dir.path()).unwrap().is_none());
    assert!(
        control::connect(&dir.path().join("none"))
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_command_that_panics_ends_alone() {
    let dir = tempfile::tempdir().unwrap();
    let counters = Counters::default();
    let _shutdown = serve(dir.path(), counting(), &counters);
    assert!(call(dir.path(), "not a number").await.unwrap().is_empty());
    assert_eq!(call(dir.path(), "1").await.unwrap(), ["0"]);
    // It is counted after its client has heard the end.
    let counted = async {
        while counters.read().panics == 0 {
            yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), counted).await.unwrap();
    assert_eq!(counters.read().panics, 1);
}

#[tokio::test]
async fn a_command_hears_that_its_client_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel();
    let endless = control::handler(move |_, replies| {
        while replies.send("more".to_owned()).is_ok() {}
        tell.send(()).unwrap();
    });
    let shutdown = serve(dir.path(), endless, &Counters::default());
    let path = dir.path().join(SOCKET_NAME);
    spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut client = std::os::unix::net::UnixStream::connect(path).unwrap();
        client.write_all(b"go\n").unwrap();
        client.read_exact(&mut [0_u8; 5]).unwrap();
        drop(client);
        told.recv().unwrap();
    })
    .await
    .unwrap();
    assert_eq!(stop(shutdown).await, Stopped::Clean);
}
