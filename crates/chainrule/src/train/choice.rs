//! Choices by name: an enum whose names and descriptions programs can list.

/// Declares an enum with a name and a description for each variant; its values are written and read by name.
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $type:ident { $($(#[doc = $doc:literal])+ $(#[$other:ident])? $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $type {
            $($(#[doc = $doc])+ $(#[$other])? #[serde(rename = $name)] $variant),+
        }

        impl $type {
            /// All of them.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// Its name, as settings have it.
            ///
            /// ```
            /// use chainrule::train::OptimizerKind;
            /// assert_eq!(OptimizerKind::RmsProp.name(), "rmsprop");
            /// ```
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }

            /// What it is, in a few words.
            ///
            /// ```
            /// use chainrule::train::Decay;
            /// assert_eq!(Decay::Cosine.about(), "down to 0 along half a cosine");
            /// ```
            pub fn about(self) -> &'static str {
                match self { $($type::$variant => concat!($($doc),+).trim_ascii()),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(super) use choices;
