# Reads this export and repeats its primary estimates, in base R alone:   Rscript start.R
#
# Tables are plain CSV files in data/; codebook.csv describes every column. JASP and jamovi open them as they
# are. Analysed are people who answered every planned trial (simulated participants where no person took
# part), and answers to the very images of the study. Where plan.json has further exclusion rules, the report's
# excluded.csv says whom they leave out:   Rscript start.R excluded.csv

read_table <- function(name) {
  book <- read.csv("codebook.csv", colClasses = "character", na.strings = character(0))
  book <- book[book$table == name, ]
  rows <- read.csv(file.path("data", paste0("table-", name, "_data.csv")), colClasses = "character",
                   na.strings = character(0), check.names = FALSE, encoding = "UTF-8")
  for (column in book$column[book$type %in% c("integer", "number", "flag")])
    rows[[column]] <- as.numeric(ifelse(rows[[column]] == "", NA, rows[[column]]))
  rows
}

people <- read_table("participants")
stimuli <- read_table("stimuli")
ratings <- read_table("ratings")
choices <- read_table("choices")

# --- who is analysed -------------------------------------------------------------------------------------
kind <- if (is.null(people$kind)) NULL else if (any(people$kind == "person") || !any(people$kind == "robot")) "person" else "robot"
if (!is.null(kind)) people <- people[people$kind == kind, ]
planned <- ifelse(is.na(people$trials_planned), people$trials_done, people$trials_planned)
analysed <- people$participant_id[people$trials_done >= planned & planned > 0]
excluded <- grep("excluded[.]csv$", commandArgs(trailingOnly = TRUE), value = TRUE)
if (length(excluded)) {
  analysed <- setdiff(analysed, read.csv(excluded[1], colClasses = "character")$participant_id)
} else if (any(grepl('"exclusions":[{', readLines("plan.json", warn = FALSE), fixed = TRUE))) {
  message("plan.json has exclusion rules; without the report's excluded.csv they are not applied")
}

image <- setNames(stimuli$image_sha256, stimuli$stimulus_id)
ratings <- ratings[ratings$participant_id %in% analysed & image[ratings$stimulus_id] == ratings$image_sha256, ]
choices <- choices[choices$participant_id %in% analysed &
                   image[choices$left_stimulus] == choices$left_sha256 &
                   image[choices$right_stimulus] == choices$right_sha256, ]
# Answers "no difference", and trials whose deadline was missed, tell of no side and have no value.
ratings <- ratings[!is.na(ratings$value), ]
choices <- choices[!is.na(choices$aligned), ]

# Base scenes that show the same content are one theme; without that column the prompt is the theme.
if (is.null(stimuli$theme)) {
  prompt <- gsub("\\s+", " ", trimws(tolower(stimuli$prompt)))
  stimuli$theme <- ifelse(prompt == "", stimuli$base_scene, prompt)
}
theme_of <- setNames(stimuli$theme, stimuli$stimulus_id)
if (nrow(ratings)) ratings$theme <- theme_of[ratings$stimulus_id]
if (nrow(choices)) choices$theme <- theme_of[choices$left_stimulus]

# --- two crossed factors random: participants and themes ----------------------------------------------------
# V = V_people + V_themes - V_cells (Cameron, Gelbach & Miller, 2011), never below the larger of the two; with
# unequal numbers of trials the factor and the degrees of freedom of Bell & McCaffrey (2002).
moments <- function(units) {
  w <- as.numeric(table(units)) / length(units)
  q <- sapply(2:5, function(power) sum(w^power))
  trace <- q[1] - 2 * q[2] + q[1]^2
  squares <- q[3] + 2 * q[2]^2 + q[1]^4 - 4 * q[4] + 4 * q[1] * q[3] - 4 * q[1]^2 * q[2]
  c(factor = q[1] / trace, df = trace^2 / squares)
}
clustered <- function(scores, units)
  crossprod(rowsum(scores, units, reorder = FALSE)) * moments(units)[["factor"]]
two_way <- function(scores, person, theme) {
  parts <- list(clustered(scores, person), clustered(scores, theme), clustered(scores, paste(person, theme, sep = "\r")))
  both <- list(parts[[1]] + parts[[2]] - parts[[3]], parts[[1]], parts[[2]])
  list(whole = both[[which.max(sapply(both, function(v) sum(diag(v))))]], people = parts[[1]], themes = parts[[2]],
       n_people = length(unique(person)), n_themes = length(unique(theme)),
       df = min(moments(person)[["df"]], moments(theme)[["df"]]))
}
show <- function(name, value) cat(sprintf("%-44s %s\n", name, format(value, digits = 6)))

# --- do people choose the image manipulated towards a higher predicted response? ------------------------------
choices <- choices[choices$intended_target != "", ]
if (nrow(choices) && length(unique(choices$theme)) >= 3 &&
    length(unique(choices$participant_id)) >= 2) {
  n <- nrow(choices)
  share <- mean(choices$aligned)
  v <- two_way(matrix((choices$aligned - share) / n), choices$participant_id, choices$theme)
  se <- max(sqrt(v$whole[1, 1]), sqrt((v$df + 1) / v$df) / n)
  t <- (share - 0.5) / se
  show("choices: share aligned", share)
  show("choices: t", t)
  show("choices: df", v$df)
  show("choices: p", max(2 * pt(-abs(t), v$df), 2^(1 - min(v$n_people, v$n_themes))))
}

# --- ratings, standardised within participant and construct ---------------------------------------------------
if (nrow(ratings)) {
  by <- interaction(ratings$participant_id, ratings$construct, drop = TRUE)
  spread <- ave(ratings$value, by, FUN = function(x) if (length(x) > 1) sd(x) else 0)
  ratings$z <- ifelse(spread > 1e-9, (ratings$value - ave(ratings$value, by)) / spread, 0)
  constructs <- sort(unique(ratings$construct))
  means <- tapply(ratings$z, list(ratings$stimulus_id, ratings$construct), mean)[, constructs, drop = FALSE]
  means <- means[complete.cases(means), , drop = FALSE]
  facts <- stimuli[match(rownames(means), stimuli$stimulus_id), ]
}

# --- do profiles of images made for different regions differ? -------------------------------------------------
# Sum of squares between targets within people and scenes, against its two-way clustered covariance; F by Box's
# approximation (1954), with unbiased estimates of both traces.
dimensions <- function(v, df) {
  trace <- sum(diag(v)); squares <- sum(v^2)
  if (df < 1.5 || trace <= 0) return(1)
  scale <- df / ((df - 1) * (df + 2))
  own <- df * scale * (squares - trace^2 / df)
  whole <- (df + 1) * scale * (trace^2 - 2 * squares / (df + 1))
  min(max(if (own > 0) whole / own else Inf, 1), ncol(v))
}
raised <- if (nrow(ratings)) rownames(means)[facts$intended_target != "" & facts$direction == 1] else character(0)
if (length(unique(facts_of <- stimuli$intended_target[match(raised, stimuli$stimulus_id)])) >= 2) {
  rows <- ratings[ratings$stimulus_id %in% raised, ]
  cells <- aggregate(z ~ participant_id + stimulus_id + construct, rows, mean)
  trial <- paste(cells$participant_id, cells$stimulus_id, sep = "\r")
  trials <- unique(trial)
  values <- matrix(NA_real_, length(trials), length(constructs), dimnames = list(NULL, constructs))
  values[cbind(match(trial, trials), match(cells$construct, constructs))] <- cells$z
  first <- match(trials, trial)
  person <- cells$participant_id[first]
  about <- stimuli[match(cells$stimulus_id[first], stimuli$stimulus_id), ]
  targets <- sort(unique(about$intended_target))
  dummies <- sapply(targets[-length(targets)], function(target) as.numeric(about$intended_target == target))
  square <- 0
  scores <- NULL
  for (construct in constructs) {
    there <- !is.na(values[, construct])
    intercepts <- model.matrix(~ factor(person[there]) + factor(about$base_scene[there]))
    left <- qr.resid(qr(intercepts), cbind(dummies[there, , drop = FALSE], values[there, construct]))
    design <- left[, seq_len(ncol(dummies)), drop = FALSE]
    e <- eigen(crossprod(design), symmetric = TRUE)
    design <- design %*% e$vectors %*% diag(1 / sqrt(e$values), length(e$values)) %*% t(e$vectors)
    y <- left[, ncol(left)]
    effects <- crossprod(design, y)
    square <- square + sum(effects^2)
    part <- matrix(0, length(trials), ncol(dummies))
    part[there, ] <- design * as.numeric(y - design %*% effects)
    scores <- cbind(scores, part)
  }
  v <- two_way(scores, person, about$theme)
  f <- square / sum(diag(v$whole))
  df1 <- min(dimensions(v$whole, v$df), dimensions(v$people, v$n_people - 1), dimensions(v$themes, v$n_themes - 1))
  show("profiles: F", f)
  show("profiles: df1", df1)
  show("profiles: df2", df1 * v$df)
  show("profiles: p", max(pf(f, df1, df1 * v$df, lower.tail = FALSE),
                          factorial(length(targets))^(1 - min(v$n_people, v$n_themes))))
}

# --- natural images: correlations of mean ratings with predicted responses, else with norms ------------------
if (nrow(ratings) && all(stimuli$intended_target == "")) {
  for (start in c("^score_", "^norm_")) {
    columns <- grep(start, names(facts), value = TRUE)
    columns <- columns[sapply(columns, function(name) mean(!is.na(facts[[name]])) > 0.5)]
    if (!length(columns)) next
    whole <- complete.cases(facts[columns])
    r <- suppressWarnings(cor(means[whole, , drop = FALSE], as.matrix(facts[whole, columns, drop = FALSE])))
    for (column in colnames(r)) for (construct in rownames(r))
      show(paste0("natural: r ", construct, " ", column), r[construct, column])
  }
}

# --- how to go on -------------------------------------------------------------------------------------------
# lme4:  library(lme4)
#        glmer(aligned ~ 1 + (1 | participant_id) + (1 | theme), choices, family = binomial)
#        lmer(z ~ direction + (0 + direction | participant_id) + (1 + direction | theme), ratings)
# brms:  brm(aligned ~ 1 + (1 | participant_id) + (1 | theme), choices, family = bernoulli())
# JASP:  open data/table-ratings_data.csv; Mixed Models, with participant_id and theme as random factors.
# Images that share a theme are no independent images: keep theme, never the single image, as the unit.
