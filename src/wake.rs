//! A way for one thread to have another one look: the change bus calls it, the driver provides it.

use std::fmt;
use std::sync::Arc;

/// Makes somebody look again soon. Cheap, callable from any thread, idempotent until served.
#[derive(Clone)]
pub struct Wake(Arc<dyn Fn() + Send + Sync>);

impl Wake {
    /// A wake that runs `call`, which must be cheap and must not block.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    /// A wake that nobody hears.
    pub fn none() -> Self {
        Self::new(|| {})
    }

    /// Asks for the wake-up.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}
