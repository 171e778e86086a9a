//! The cockpit without a terminal: messages in, commands and screens out.
