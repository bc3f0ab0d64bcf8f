namespace limn {}
