"""What turns frames into arrays that are kept: networks, flow, tracks. Imported only where one is used."""
