//! A Lightning node of LDK for tests on regtest, driven by JSON lines. It relays payments, and makes none.
//!
//! Its one argument is a JSON object (`settings.rs`); commands come on standard input (`commands.rs`), answers and
//! events go to standard output, the log to standard error. It stops when its input ends, or at a signal.

mod chain;
mod commands;
mod lines;
mod no_routes;
mod node;
mod settings;

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lines::say;
use crate::node::Node;
use crate::settings::Settings;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ldk-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let argument = std::env::args().nth(1).ok_or("usage: ldk-node SETTINGS (JSON)")?;
    let settings = Settings::read(&argument)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("runtime: {error}"))?;
    let ended = runtime.block_on(async {
        let node = Arc::new(Node::open(settings)?);
        say(&json!({
            "event": "ready",
            "publicKey": node.channels.get_our_node_id().to_string(),
            "height": node.height(),
        }));
        let on = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
        until_told(&node, on(SignalKind::interrupt())?, on(SignalKind::terminate())?).await;
        node.stop()
    });
    // The thread that reads commands waits for the next one, and must not be waited for.
    runtime.shutdown_background();
    ended
}

/// Obeys commands, one after the other, until there are no more or a signal comes.
async fn until_told(node: &Arc<Node>, mut interrupt: Signal, mut terminate: Signal) {
    let mut input = BufReader::new(stdin()).lines();
    loop {
        let line = tokio::select! {
            line = input.next_line() => line,
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
        };
        let Ok(Some(line)) = line else { return };
        let command: Value = serde_json::from_str(&line).unwrap_or_default();
        let id = &command["id"];
        match commands::obey(node, &command).await {
            Ok(result) => say(&json!({ "id": id, "result": result })),
            Err(error) => say(&json!({ "id": id, "error": error })),
        }
    }
}
