//! A run on one page: what came out, how it was learned, what is taken for what. It opens without a network.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;

use super::{Confusion, EpochMetrics, Evaluation, Training};
use crate::array::{Array, Generator};
use crate::error::Result;
use crate::io::write_atomic;
use crate::nn::Summary;
use crate::order;
use crate::plot::encode_png;
use crate::profile::grouped_text;
use crate::tensor::Tensor;

const STYLE: &str = include_str!("report.css");

/// Larger matrices aren't readable as a table.
const MOST_CLASSES: usize = 40;

/// What a report says beside what the run knows.
///
/// ```
/// use chainrule::{data::digits, train::{RunReport, Settings, Training}};
/// let data = digits().stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
/// let training = Training::new(settings, data)?;
/// let test = training.evaluate()?;
/// let report = RunReport {
///     title: "digits",
///     training: &training,
///     test: &test,
///     time: std::time::Duration::from_secs(1),
///     settings: "",
/// };
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-report-{}.html", std::process::id()));
/// report.save(&path)?;
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunReport<'a> {
    /// The run's name.
    pub title: &'a str,
    /// The run.
    pub training: &'a Training,
    /// What was measured on the test part.
    pub test: &'a Evaluation,
    /// How long the run took this time.
    pub time: Duration,
    /// The settings as text.
    pub settings: &'a str,
}

/// Text that means nothing in HTML.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

impl RunReport<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// The network can't be evaluated, or the file can't be written.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{RunReport, Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, data)?;
    /// let (test, time) = (training.evaluate()?, std::time::Duration::from_secs(1));
    /// let report = RunReport { title: "digits", training: &training, test: &test, time, settings: "" };
    /// assert!(report.save("no/such/folder/report.html").is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path, self.page()?.as_bytes())
    }

    fn page(&self) -> Result<String> {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{0}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n<h1>{0}</h1>\n",
            plain(self.title)
        );
        let text = |page: &mut String, part: String| page.push_str(&part);
        text(&mut page, self.numbers());
        text(&mut page, self.curves());
        text(&mut page, self.matrix());
        text(&mut page, self.scores());
        text(&mut page, self.mistakes()?);
        text(&mut page, self.details()?);
        page.push_str("</main></body></html>\n");
        Ok(page)
    }

    fn numbers(&self) -> String {
        let (training, settings) = (self.training, self.training.settings());
        let (learn, judge, test) = training.examples();
        let [learn, judge, test] = [learn, judge, test].map(|number| grouped_text(number as u64));
        let judge = if judge == "0" { String::new() } else { format!(", {judge} to judge by") };
        let mut html = format!(
            "<p class=\"soft\">{} on {}: {learn} examples to learn from{judge}, {test} to test with</p>\n\
             <section><div class=\"numbers\">",
            settings.arch,
            plain(&settings.data)
        );
        let epochs = match training.best_epoch() {
            Some(best) => format!("{best} of {}", training.history().len()),
            None => training.history().len().to_string(),
        };
        let scores = self.test.confusion.classes();
        let f1 = scores.iter().map(|score| score.f1).sum::<f64>() / scores.len().max(1) as f64;
        for (number, label) in [
            (percent(self.test.score.accuracy), "test accuracy"),
            (format!("{:.4}", self.test.score.loss), "test loss"),
            (format!("{f1:.4}"), "mean F1 of the classes"),
            (epochs, if training.best_epoch().is_some() { "the best epoch" } else { "epochs" }),
            (grouped_text(training.network().parameter_count() as u64), "parameters"),
            (time(self.time), "time"),
        ] {
            let _ = write!(html, "<div><b>{number}</b><span>{label}</span></div>");
        }
        html + "</div></section>\n"
    }

    fn curves(&self) -> String {
        let epochs = self.training.history();
        let Some(first) = epochs.first() else { return String::new() };
        let part = first.held_out().0;
        let best = self.training.best_epoch();
        // As many digits as tell neighbouring lines apart.
        let decimals = |step: f64| (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
        let percents = |x: f64, step: f64| format!("{x:.0$} %", decimals(step));
        let loss = |x: f64, step: f64| format!("{x:.0$}", decimals(step));
        let rates = |x: f64, _: f64| match x {
            0.0 => "0".to_string(),
            _ => format!("{x:.1e}").replace(".0e", "e"),
        };
        type Pick = fn(&EpochMetrics) -> f64;
        let pair: [Pick; 2] = [|m| m.train.loss, |m| m.held_out().1.loss];
        let accuracies: [Pick; 2] = [|m| 100.0 * m.train.accuracy, |m| 100.0 * m.held_out().1.accuracy];
        let rate: [Pick; 1] = [|m| m.rate];
        format!(
            "<section><h2>How it was learned</h2><div class=\"key\"><span><i style=\"background:var(--train)\"></i>training\
             </span><span><i style=\"background:var(--held)\"></i>{part}</span></div>\n<div class=\"charts\">\
             <div><h3>loss</h3>{}</div><div><h3>accuracy</h3>{}</div><div><h3>learning rate</h3>{}</div></div></section>\n",
            chart(epochs, &pair, true, best, &loss),
            chart(epochs, &accuracies, false, best, &percents),
            chart(epochs, &rate, true, None, &rates),
        )
    }

    fn matrix(&self) -> String {
        let Confusion(counts) = &self.test.confusion;
        let classes = self.training.classes();
        if classes.len() > MOST_CLASSES {
            return String::new();
        }
        let mut html = String::from(
            "<section><h2>What was taken for what</h2><p class=\"soft\">Rows: the true class; columns: the answer.</p>\
             <div class=\"scroll\"><table class=\"matrix\"><tr><th></th>",
        );
        classes.iter().for_each(|class| {
            let _ = write!(html, "<th>{}</th>", plain(class));
        });
        for (class, row) in classes.iter().zip(counts) {
            let all: usize = row.iter().sum();
            let _ = write!(html, "</tr>\n<tr><th class=\"row\">{}</th>", plain(class));
            for (answer, &count) in row.iter().enumerate() {
                let share = count as f64 / all.max(1) as f64;
                let strength = share.sqrt();
                let strong = if strength > 0.55 { " class=\"strong\"" } else { "" };
                if count == 0 {
                    html.push_str("<td></td>");
                    continue;
                }
                let _ = write!(
                    html,
                    "<td{strong} style=\"background:rgba(var(--cell),{strength:.3})\" \
                     title=\"{} taken for {}: {count} of {all}\">{count}</td>",
                    plain(class),
                    plain(&classes[answer])
                );
            }
        }
        html + "</tr></table></div></section>\n"
    }

    fn scores(&self) -> String {
        let mut html = String::from(
            "<section><h2>How well each class is recognised</h2><div class=\"scroll\"><table class=\"scores\">\
             <tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>examples</th></tr>\n",
        );
        let scores = self.test.confusion.classes();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of many classes those that need attention.
        if scores.len() > MOST_CLASSES {
            order.retain(|&class| scores[class].examples > 0);
            order::sort_by(&mut order, |&a, &b| scores[a].f1.total_cmp(&scores[b].f1));
            order.truncate(MOST_CLASSES);
        }
        for class in order {
            let score = &scores[class];
            let bar = |share: f64| {
                format!("{share:.4}<span class=\"bar\"><i style=\"width:{:.1}%\"></i></span>", 100.0 * share)
            };
            let _ = writeln!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                plain(&self.training.classes()[class]),
                bar(score.precision),
                bar(score.recall),
                bar(score.f1),
                score.examples
            );
        }
        html + "</table></div></section>\n"
    }

    fn mistakes(&self) -> Result<String> {
        let classes = self.training.classes();
        let mut figures = String::new();
        for mistake in &self.test.mistakes {
            let example = self.training.test_part().example(mistake.example, &mut Generator::new(0))?;
            let Some(picture) = picture(&example.input)? else { return Ok(String::new()) };
            let _ = write!(
                figures,
                "<figure><img alt=\"\" src=\"data:image/png;base64,{}\"><figcaption>{}: <b>{}</b> \
                 <span class=\"soft\">{:.0} %</span></figcaption></figure>",
                base64::prelude::BASE64_STANDARD.encode(picture),
                plain(&classes[mistake.class]),
                plain(&classes[mistake.answer]),
                100.0 * mistake.probability
            );
        }
        if figures.is_empty() {
            return Ok(figures);
        }
        Ok(format!(
            "<section><h2>The mistakes of which it was surest</h2><p class=\"soft\">The true class, what it was taken \
             for, and with which probability.</p><div class=\"mistakes\">{figures}</div></section>\n"
        ))
    }

    fn details(&self) -> Result<String> {
        let (x, _) = self.training.test_part().examples(&[0], &|i| Generator::new(i as u64))?;
        self.training.network().set_training(false);
        let summary = Summary::of(self.training.network(), &Tensor::from_array(x))?;
        Ok(format!(
            "<section><details><summary>The network, for one example</summary><pre>{}</pre></details></section>\n\
             <section><details><summary>The settings</summary><pre>{}</pre></details></section>\n\
             <p class=\"soft\" style=\"margin-top:1.2rem\">Beside this page: the graph gate by gate \
             (<a href=\"explorer.html\">explorer.html</a>), the network (model.safetensors), the numbers (metrics.csv, \
             metrics.json, classes.csv).</p>\n",
            plain(&summary.to_string()),
            plain(self.settings)
        ))
    }
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds if seconds < 6000.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A line chart over the epochs.
fn chart(
    epochs: &[EpochMetrics],
    lines: &[fn(&EpochMetrics) -> f64],
    from_zero: bool,
    best: Option<usize>,
    label: &dyn Fn(f64, f64) -> String,
) -> String {
    const WIDTH: f64 = 420.0;
    const HEIGHT: f64 = 220.0;
    const LEFT: f64 = 46.0;
    const BOTTOM: f64 = 24.0;
    let values = || lines.iter().flat_map(|line| epochs.iter().map(line)).filter(|x| x.is_finite());
    let highest = values().fold(f64::MIN, f64::max).max(1e-12);
    let lowest = if from_zero { 0.0 } else { values().fold(f64::MAX, f64::min) };
    let (low, high, step) = scale(lowest, if from_zero { highest } else { 100.0 });
    let last = epochs.len().max(2) as f64;
    let x = |epoch: f64| LEFT + (WIDTH - LEFT - 8.0) * (epoch - 1.0) / (last - 1.0);
    let y = |value: f64| 8.0 + (HEIGHT - BOTTOM - 8.0) * (1.0 - (value - low) / (high - low));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let mut value = low;
    while value <= high + step / 2.0 {
        let at = y(value);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"var(--grid)\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - 8.0,
            LEFT - 7.0,
            at + 4.0,
            label(value, step)
        );
        value += step;
    }
    let every = (epochs.len().div_ceil(8)).max(1);
    for epoch in (1..=epochs.len()).filter(|epoch| epoch % every == 0 || *epoch == 1) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{epoch}</text>",
            x(epoch as f64),
            HEIGHT - 6.0
        );
    }
    if let Some(best) = best {
        let at = x(best as f64);
        let _ = write!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"8\" y2=\"{}\" stroke=\"var(--good)\" stroke-dasharray=\"4 4\">\
             <title>the best epoch: {best}</title></line>",
            HEIGHT - BOTTOM
        );
    }
    for (line, colour) in lines.iter().zip(["var(--train)", "var(--held)"]) {
        let points: Vec<(f64, f64, &EpochMetrics)> = epochs
            .iter()
            .filter(|m| line(m).is_finite())
            .map(|m| (x(m.epoch as f64), y(line(m)), m))
            .collect();
        let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
            path.join(" ")
        );
        // Few points are shown; of many, each can still be pointed at.
        let radius = if points.len() > 30 { 0 } else { 3 };
        for (x, y, m) in points {
            let _ = write!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" stroke=\"transparent\" stroke-width=\"10\">\
                 <title>epoch {}: {:.4}</title></circle>",
                m.epoch,
                line(m)
            );
        }
    }
    svg + "</svg>"
}

/// An axis that holds these values: its ends, and the distance of its lines.
fn scale(lowest: f64, highest: f64) -> (f64, f64, f64) {
    let span = (highest - lowest).max(highest.abs() * 1e-3).max(1e-12);
    let power = 10f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|x| x * power).into_iter().find(|step| span / step <= 6.0);
    let step = step.unwrap_or(span);
    ((lowest / step).floor() * step, (highest / step - 1e-9).ceil() * step, step)
}

/// A prepared image as PNG, its values stretched to all greys or colours; `None` where an example is no image.
fn picture(example: &Array) -> Result<Option<Vec<u8>>> {
    let shape = match example.shape()[..] {
        [channels @ (1 | 3), height, width] => [channels, height, width],
        // The embedded digits.
        [64] => [1, 8, 8],
        _ => return Ok(None),
    };
    let values = example.to_f64_vec();
    let low = values.iter().copied().fold(f64::MAX, f64::min);
    let high = values.iter().copied().fold(f64::MIN, f64::max);
    let stretched = values.iter().map(|x| (x - low) / (high - low).max(1e-12)).collect();
    encode_png(&Array::from_vec(stretched, shape)?).map(Some)
}
