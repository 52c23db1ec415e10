//! The one shape that every protocol session has, and what it says to the driver that runs it.
//!
//! A session never touches a socket, a clock or a thread. The driver (`net::driver`) feeds it bytes, time and answers,
//! and carries out its output and its events. Calls may block on the store for a commit, so the driver makes them off
//! its async threads. No protocol is named here.
//!
//! Order of a turn: one `handle_*` call; then `poll_output` until it adds nothing, each piece written to the peer
//! before the next is asked for; then `poll_event` until `None`; then read again if `wants_input`.

use std::net::SocketAddr;

use crate::auth::{Outcome, Request};
use crate::clock::{Mono, Now};
use crate::trust::verify;
pub use crate::wake::Wake;

/// About how many bytes one [`Session::poll_output`] call may add; a single line or blob piece may exceed it a little.
pub const OUTPUT_PIECE_BYTES: usize = 64 * 1024;

/// A protocol session as the driver sees it.
pub trait Session: Send + 'static {
    /// Takes bytes that the peer sent. All of `input` is taken: what cannot be acted on yet is kept.
    fn handle_input(&mut self, input: &[u8], now: Now);

    /// The peer closed its sending side. Nothing half-sent is acted on.
    fn handle_eof(&mut self, now: Now);

    /// The time that [`Session::poll_timeout`] named has come.
    fn handle_timeout(&mut self, now: Now);

    /// The driver did what [`Event`] asked for.
    fn handle_answer(&mut self, answer: Answer, now: Now);

    /// Something that this session subscribed to may have changed (see [`Wake`]).
    fn handle_wake(&mut self, now: Now);

    /// The daemon stops: say so to the peer in the protocol's words, then ask to close.
    fn handle_shutdown(&mut self, now: Now);

    /// Appends the next piece of output to `out`, going on with work under way. Call it again after each piece was
    /// written, until it adds nothing.
    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now);

    /// What the driver has to do next. Poll it after output is drained.
    fn poll_event(&mut self) -> Option<Event>;

    /// When to call [`Session::handle_timeout`], and why (for the log).
    fn poll_timeout(&self) -> Option<(Mono, &'static str)>;

    /// Whether bytes from the peer can be taken. `false` while work or a question to the driver is under way.
    fn wants_input(&self) -> bool;
}

/// What a session asks of its driver.
#[derive(Debug)]
pub enum Event {
    /// Write what is pending, then hand the stream over to TLS; answered by [`Answer::TlsStarted`]. The session has
    /// dropped whatever plaintext it held (RFC 3207 4.2 and its like).
    StartTls,
    /// Check credentials; answered by [`Answer::Authenticated`]. The driver limits how many run at once and delays
    /// the answer when failures are throttled.
    Authenticate(Request),
    /// Judge a mail of others; answered by [`Answer::Verified`], in any case and in time.
    Verify(Box<verify::Request>),
    /// Write what is pending, then close.
    Close,
}

/// The driver's answer to an [`Event`].
#[derive(Debug)]
pub enum Answer {
    /// The TLS handshake succeeded. (When it fails the connection just ends.)
    TlsStarted(TlsInfo),
    /// Credentials were checked.
    Authenticated(Outcome),
    /// A mail was judged.
    Verified(verify::Verdict),
}

/// Facts about a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// Protocol version for people and trace fields, such as `TLS1.3`.
    pub version: String,
    /// Cipher suite name as registered, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// `tls-exporter` channel binding (RFC 9266), where the connection has one.
    pub exporter: Option<[u8; 32]>,
}

/// What a session knows of its connection from the start.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other side's address.
    pub address: SocketAddr,
    /// Present when TLS began before the first byte of the protocol (implicit TLS).
    pub tls: Option<TlsInfo>,
    /// How to make the driver call [`Session::handle_wake`].
    pub wake: Wake,
}
