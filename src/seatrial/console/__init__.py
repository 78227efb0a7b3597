"""The web dashboard: the frame and control's pages; a cell serves the pages that show payloads."""
