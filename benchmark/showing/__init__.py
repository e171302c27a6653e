"""Pictures of a clip's geometry for a person's eye: cameras, head track, point cloud. Nothing is measured for scores here."""
