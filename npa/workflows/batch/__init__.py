"""One pipeline over many recordings; `npa.batch` is the public door."""
