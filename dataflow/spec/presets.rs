//! The specs in the program that others extend by name.

/// A spec in the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `extends` calls it.
    pub name: &'static str,
    /// Its versions; the last is that of a name without one.
    pub versions: &'static [u32],
    /// Its text. Its sources, sinks and tests are examples: who extends it has their own.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal)+) => {
        /// Every preset.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            versions: &[1],
            text: include_str!(concat!("../../specs/", $name, ".toml")),
        },)+];
    };
}

presets! {
    "joyfuljay"
    "nfstream" "nfstream-stats" "nfstream-core"
    "ml-small"
    "live"
}

/// The preset called `name`.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
