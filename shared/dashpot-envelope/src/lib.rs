//! `dashpot-envelope`
