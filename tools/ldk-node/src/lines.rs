//! What the process says: one JSON value a line on standard output, the log on standard error.

use std::io::{Write, stderr, stdout};

use lightning::util::logger::{Level, Logger, Record};
use serde_json::Value;

/// Writes one line. A reader that is gone ends the process: nobody else could stop it.
pub fn say(line: &Value) {
    let mut out = stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// LDK's log, from a level on.
pub struct Log {
    pub from: Level,
}

impl Logger for Log {
    fn log(&self, record: Record) {
        if record.level >= self.from {
            // A log that cannot be written must not stop the node.
            let _ = writeln!(stderr().lock(), "{:<5} {}: {}", record.level, record.module_path, record.args);
        }
    }
}
