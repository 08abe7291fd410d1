"""From file to answerable text: read, split, embed, index, retrieve."""
