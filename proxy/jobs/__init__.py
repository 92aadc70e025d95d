"""Jobs: clips, and pictures of slow models. Asked for now, made when their turn comes, fetched later."""
