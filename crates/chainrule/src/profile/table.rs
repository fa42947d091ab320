//! A profile as text for a terminal of 80 columns.

use std::fmt;

use super::{GateCost, Profile, bytes_text, count_text, time_text};
use crate::order;

/// How many gates a table shows.
const ROWS: usize = 20;
/// What a name or a kind is cut to.
const NAME: usize = 20;

/// The costliest gates first.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut order: Vec<&GateCost> = self.gates.iter().collect();
        order::sort_by(&mut order, |a, b| (b.forward + b.backward).cmp(&(a.forward + a.backward)));
        let whole = (self.forward + self.backward).as_secs_f64();
        let mut table = vec![
            ["gate", "module", "forward", "backward", "share", "mult-adds", "moved", "kept"]
                .map(String::from),
        ];
        for gate in order.iter().take(ROWS) {
            table.push(row(gate, whole));
        }
        if let Some(rest) = order.get(ROWS..).filter(|rest| !rest.is_empty()) {
            let sum = |of: fn(&GateCost) -> std::time::Duration| rest.iter().map(|gate| of(gate)).sum();
            let other = GateCost {
                name: String::new(),
                gate: format!("{} others", rest.len()),
                module: None,
                output: rest[0].output,
                forward: sum(|gate| gate.forward),
                backward: sum(|gate| gate.backward),
                forward_work: rest.iter().map(|gate| gate.forward_work).sum(),
                backward_work: rest.iter().map(|gate| gate.backward_work).sum(),
                kept: rest.iter().map(|gate| gate.kept).sum(),
            };
            table.push(row(&other, whole));
        }
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..8).map(width).collect();
        for row in &table {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // A column without content takes no place.
                if table[1..].iter().all(|row| row[column].is_empty()) {
                    continue;
                }
                line += &if column < 2 { format!("{cell:<width$} ") } else { format!("{cell:>width$} ") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        let (forward, backward) = (self.forward_work(), self.backward_work());
        writeln!(
            f,
            "forward {}, {} multiply-adds, {} moved",
            time_text(self.forward.as_secs_f64()),
            count_text(forward.multiply_adds as f64),
            bytes_text(forward.bytes_read + forward.bytes_written)
        )?;
        writeln!(
            f,
            "backward {}, {} multiply-adds, {} moved",
            time_text(self.backward.as_secs_f64()),
            count_text(backward.multiply_adds as f64),
            bytes_text(backward.bytes_read + backward.bytes_written)
        )?;
        write!(
            f,
            "{} kept for the backward pass; {} gates, times of {}",
            bytes_text(self.kept()),
            self.gates.len(),
            if self.runs == 1 { "one run".into() } else { format!("{} runs (median)", self.runs) }
        )
    }
}

fn row(gate: &GateCost, whole: f64) -> [String; 8] {
    let seconds = [gate.forward, gate.backward].map(|time| time.as_secs_f64());
    let share = if whole > 0.0 { 100.0 * (seconds[0] + seconds[1]) / whole } else { 0.0 };
    let work = gate.forward_work + gate.backward_work;
    let none_or = |zero: bool, text: String| if zero { "-".to_string() } else { text };
    [
        shortened(format!("{} {}", gate.name, gate.gate).trim_start()),
        shortened(gate.module.as_deref().unwrap_or_default()),
        time_text(seconds[0]),
        none_or(gate.backward.is_zero(), time_text(seconds[1])),
        format!("{share:.1}%"),
        none_or(work.multiply_adds == 0, count_text(work.multiply_adds as f64)),
        none_or(work.bytes_read + work.bytes_written == 0, bytes_text(work.bytes_read + work.bytes_written)),
        none_or(gate.kept == 0, bytes_text(gate.kept)),
    ]
}

/// The end of a long name tells more than its beginning.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= NAME {
        text.into()
    } else {
        "…".chars().chain(text.chars().skip(length + 1 - NAME)).collect()
    }
}
