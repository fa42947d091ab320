//! Energy: from the processor's own counters where there are any, else from a power that somebody states.

use std::path::{Path, PathBuf};

use crate::order;

/// Where Linux shows the counters of processors ("running average power limit", RAPL).
const COUNTERS: &str = "/sys/class/powercap";

/// An amount of energy, and how it is known.
///
/// ```
/// use chainrule::profile::Energy;
/// let energy = Energy::Assumed { joules: 130.0, watts: 65.0 };
/// assert!(matches!(energy.times(2.0), Energy::Assumed { joules: 260.0, watts: 65.0 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Energy {
    /// By the processor's counters: its packages, without memory, disks and power supply.
    Measured {
        /// Joules.
        joules: f64,
    },
    /// Time × a stated power: an assumption, not a measurement.
    Assumed {
        /// Joules.
        joules: f64,
        /// The power that was assumed, in watts.
        watts: f64,
    },
}

impl Energy {
    /// Joules, however they are known.
    ///
    /// ```
    /// use chainrule::profile::Energy;
    /// assert_eq!(Energy::Assumed { joules: 130.0, watts: 65.0 }.joules(), 130.0);
    /// ```
    pub fn joules(self) -> f64 {
        match self {
            Energy::Measured { joules } | Energy::Assumed { joules, .. } => joules,
        }
    }

    /// So many times as much, known in the same way.
    ///
    /// ```
    /// use chainrule::profile::Energy;
    /// assert_eq!(Energy::Measured { joules: 2.0 }.times(3.0).joules(), 6.0);
    /// ```
    pub fn times(self, factor: f64) -> Energy {
        match self {
            Energy::Measured { joules } => Energy::Measured { joules: joules * factor },
            Energy::Assumed { joules, watts } => Energy::Assumed { joules: joules * factor, watts },
        }
    }
}

/// The energy counters of this machine's processors.
///
/// ```
/// use chainrule::profile::EnergyCounter;
/// if let Some(counter) = EnergyCounter::of_machine() {
///     let before = counter.read();
///     let joules = counter.joules_since(&before);
///     assert!(joules.is_none_or(|joules| joules >= 0.0));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct EnergyCounter {
    /// One folder a processor.
    packages: Vec<PathBuf>,
}

impl EnergyCounter {
    /// The counters, where the machine has some and lets this program read them.
    ///
    /// ```
    /// use chainrule::profile::EnergyCounter;
    /// match EnergyCounter::of_machine() {
    ///     Some(counter) => assert!(!counter.read().is_empty()),
    ///     None => println!("no counter can be read: a power must be assumed"),
    /// }
    /// ```
    pub fn of_machine() -> Option<EnergyCounter> {
        EnergyCounter::in_folder(Path::new(COUNTERS))
    }

    /// Each `intel-rapl:N` is a whole processor (AMD's too); its parts are `intel-rapl:N:M`.
    fn in_folder(folder: &Path) -> Option<EnergyCounter> {
        let mut packages: Vec<PathBuf> = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                name.matches(':').count() == 1 && name.starts_with("intel-rapl:")
            })
            .filter(|path| number(&path.join("energy_uj")).is_some())
            .collect();
        order::sort(&mut packages);
        (!packages.is_empty()).then_some(EnergyCounter { packages })
    }

    /// What the counters show now, in microjoules, one a processor; `None` where one can't be read any more.
    ///
    /// ```
    /// use chainrule::profile::EnergyCounter;
    /// let shown = EnergyCounter::of_machine().map_or(vec![], |counter| counter.read());
    /// assert!(shown.iter().all(Option::is_some));
    /// ```
    pub fn read(&self) -> Vec<Option<u64>> {
        self.packages.iter().map(|path| number(&path.join("energy_uj"))).collect()
    }

    /// The joules since an earlier reading; `None` where a counter couldn't be read.
    ///
    /// ```
    /// use chainrule::profile::EnergyCounter;
    /// if let Some(counter) = EnergyCounter::of_machine() {
    ///     let before = counter.read();
    ///     std::hint::black_box((0..1_000_000).sum::<u64>());
    ///     println!("{:?} J", counter.joules_since(&before));
    /// }
    /// ```
    pub fn joules_since(&self, before: &[Option<u64>]) -> Option<f64> {
        let mut sum = 0.0;
        for ((path, now), &before) in self.packages.iter().zip(self.read()).zip(before) {
            let (now, before) = (now?, before?);
            // A counter begins again at 0 when it is full.
            let turned = if now < before { number(&path.join("max_energy_range_uj"))? } else { 0 };
            sum += (now + turned - before) as f64 * 1e-6;
        }
        Some(sum)
    }
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_begin_again_when_full() {
        let folder = std::env::temp_dir().join(format!("chainrule-energy-{}", std::process::id()));
        let write = |name: &str, file: &str, text: &str| {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join(file), text).unwrap();
        };
        write("intel-rapl:0", "energy_uj", "9000000\n");
        write("intel-rapl:0", "max_energy_range_uj", "10000000\n");
        // A part of the processor, which must not count twice.
        write("intel-rapl:0:0", "energy_uj", "77\n");
        write("dtpm", "energy_uj", "5\n");
        let counter = EnergyCounter::in_folder(&folder).unwrap();
        let before = counter.read();
        assert_eq!(before, [Some(9_000_000)]);
        write("intel-rapl:0", "energy_uj", "9500000\n");
        assert_eq!(counter.joules_since(&before), Some(0.5));
        write("intel-rapl:0", "energy_uj", "1000000\n");
        assert_eq!(counter.joules_since(&before), Some(2.0));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(counter.joules_since(&before), None);
        assert!(EnergyCounter::in_folder(&folder).is_none());
    }
}
