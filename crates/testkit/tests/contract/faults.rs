crate::cases! { anywhere: [], fake: [] }
