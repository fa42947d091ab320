//! A profile for `chrome://tracing` and Perfetto: one bar a gate, forward and then backward.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{GateCost, Profile, Work};
use crate::error::Result;
use crate::io::write_atomic;

/// One event of the trace event format; times are in microseconds.
#[derive(Serialize)]
struct Event {
    name: String,
    cat: &'static str,
    /// `X` has a duration, `C` is a counter, `M` names a track.
    ph: &'static str,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: u32,
    args: Value,
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn bar(gate: &GateCost, cat: &'static str, at: Duration, dur: Duration, work: Work) -> Event {
    Event {
        name: gate.gate.clone(),
        cat,
        ph: "X",
        ts: microseconds(at),
        dur: Some(microseconds(dur)),
        pid: 1,
        tid: 1,
        args: json!({
            "gate": gate.name,
            "module": gate.module,
            "output": gate.output.to_string(),
            "multiply_adds": work.multiply_adds,
            "bytes_read": work.bytes_read,
            "bytes_written": work.bytes_written,
        }),
    }
}

impl Profile {
    /// The profile in the trace event format, which `chrome://tracing` and <https://ui.perfetto.dev> open: the
    /// gates one after the other, forward and then backward, and the memory kept for the backward pass.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let graph = ComputationalGraph::capture(&param([1.0, 2.0]).tanh()?.sum()?)?;
    /// let trace: serde_json::Value = serde_json::from_str(&graph.profile(&[], 1)?.chrome_trace()).unwrap();
    /// let bars = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X");
    /// assert_eq!(bars.map(|event| &event["name"]).collect::<Vec<_>>(), ["Tanh", "Sum", "Sum", "Tanh"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn chrome_trace(&self) -> String {
        let named = |what: &str, name: &str| Event {
            name: what.into(),
            cat: "",
            ph: "M",
            ts: 0.0,
            dur: None,
            pid: 1,
            tid: 1,
            args: json!({ "name": name }),
        };
        let memory = |at: Duration, bytes: u64| Event {
            name: "kept for the backward pass".into(),
            cat: "memory",
            ph: "C",
            ts: microseconds(at),
            dur: None,
            pid: 1,
            tid: 1,
            args: json!({ "bytes": bytes }),
        };
        let mut events = vec![named("process_name", "chainrule"), named("thread_name", "gates")];
        let (mut now, mut kept) = (Duration::ZERO, 0);
        for gate in &self.gates {
            events.push(bar(gate, "forward", now, gate.forward, gate.forward_work));
            now += gate.forward;
            kept += gate.kept;
            events.push(memory(now, kept));
        }
        for gate in self.gates.iter().rev().filter(|gate| !gate.backward.is_zero()) {
            events.push(bar(gate, "backward", now, gate.backward, gate.backward_work));
            now += gate.backward;
            kept -= gate.kept.min(kept);
            events.push(memory(now, kept));
        }
        let trace = json!({ "traceEvents": events, "displayTimeUnit": "ms" });
        trace.to_string()
    }

    /// Writes [`Profile::chrome_trace`] to a file, whole or not at all.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let path = std::env::temp_dir().join("chainrule-doc-trace.json");
    /// let profile = ComputationalGraph::capture(&param([1.0, 2.0]).tanh()?.sum()?)?.profile(&[], 1)?;
    /// profile.save_chrome_trace(&path)?;
    /// assert_eq!(std::fs::read_to_string(&path).unwrap(), profile.chrome_trace());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save_chrome_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path, self.chrome_trace().as_bytes())
    }
}
